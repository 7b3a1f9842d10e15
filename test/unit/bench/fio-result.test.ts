import { describe, expect, it } from "vitest";
import { parseFioResult } from "../../../bench/fio-result.ts";

const EMPTY = { total_ios: 0, io_bytes: 0, runtime: 0, clat_ns: { N: 0 }, lat_ns: { N: 0 } };
const READ = {
  total_ios: 30611,
  io_bytes: 30611 * 4096,
  runtime: 1502,
  clat_ns: { N: 30611, percentile: { "50.000000": 1_056_768, "99.000000": 3_293_184 } },
  lat_ns: { N: 30611, percentile: { "50.000000": 1_100_000, "99.000000": 3_300_000 } },
};

function output(job: object): string {
  return `fio: connected to NBD server\n${JSON.stringify({ "fio version": "fio-3.33", jobs: [{ error: 0, ...job }] })}`;
}

const slowLatency = (N: number): object => ({ N, percentile: { "50.000000": 5_000_000, "99.000000": 9_000_000 } });

describe("fio's result", () => {
  it("is found behind what fio says first", () => {
    const result = parseFioResult(output({ read: READ, write: EMPTY }), "nbd");
    expect(result.ios).toBe(30611);
    expect(result.seconds).toBe(1.502);
    expect(result.iops).toBeCloseTo(20380.16, 1);
    expect(result.mibPerSecond).toBeCloseTo(79.61, 1);
    expect(result.p50Us).toBeCloseTo(1056.8, 1);
    expect(result.p99Us).toBeCloseTo(3293.2, 1);
    expect(result.flushes).toBeUndefined();
  });

  it("is that of the direction that did something", () => {
    expect(parseFioResult(output({ read: EMPTY, write: READ }), "nbd").ios).toBe(30611);
  });

  it("of a mixed report is the mixed one", () => {
    expect(parseFioResult(output({ mixed: READ }), "nbd").ios).toBe(30611);
  });

  it("of a file has the latency of submission and completion", () => {
    expect(parseFioResult(output({ read: READ, write: EMPTY }), "file").p50Us).toBe(1100);
  });

  it("has the latency of flushes where there were any", () => {
    const sync = { total_ios: 192, lat_ns: { N: 192, percentile: { "50.000000": 250_000, "99.000000": 900_000 } } };
    const result = parseFioResult(output({ read: EMPTY, write: READ, sync }), "nbd");
    expect([result.flushes, result.flushP50Us, result.flushP99Us]).toEqual([192, 250, 900]);
  });

  it("of several jobs is what they did together, in the time of the longest, with the latency of the worst", () => {
    const slow = { ...READ, total_ios: 1000, io_bytes: 1000 * 4096, runtime: 2000, clat_ns: slowLatency(1000) };
    const jobs = [READ, slow, READ].map((read) => ({ error: 0, read, write: EMPTY }));
    const result = parseFioResult(JSON.stringify({ jobs }), "nbd");
    expect(result.ios).toBe(2 * 30611 + 1000);
    expect(result.seconds).toBe(2);
    expect(result.iops).toBe(31_111);
    expect(result.mibPerSecond).toBeCloseTo((62_222 * 4096) / 2 ** 20 / 2, 6);
    expect(result.p50Us).toBeCloseTo(1056.8, 1);
    expect(result.p99Us).toBe(9000);
    const failed = [jobs[0], { error: 5, read: READ, write: EMPTY }];
    expect(() => parseFioResult(JSON.stringify({ jobs: failed }), "nbd")).toThrow("errno 5");
  });

  it("with an error, without I/O, without a job or without JSON is none", () => {
    expect(() => parseFioResult(output({ error: 5, read: READ }), "nbd")).toThrow("errno 5");
    expect(() => parseFioResult(output({ read: EMPTY, write: EMPTY }), "nbd")).toThrow("no I/O");
    expect(() => parseFioResult('{"jobs": []}', "nbd")).toThrow("no job");
    expect(() => parseFioResult("fio: engine nbd not loadable", "nbd")).toThrow("engine nbd not loadable");
  });
});
