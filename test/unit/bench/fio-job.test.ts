import { describe, expect, it } from "vitest";
import { fioArguments, type FioJob, prefillArguments, type Target } from "../../../bench/fio-job.ts";
import { GIB, MAPPED_BYTES } from "../../../bench/workload.ts";
import { workloadNamed } from "../../../bench/workloads.ts";

const NBD: Target = { kind: "nbd", uri: "nbd+unix:///snap?socket=s" };

function job(name: string, more: Partial<FioJob> = {}): FioJob {
  return {
    workload: workloadNamed(name),
    phase: "measured",
    targets: [NBD],
    extent: { originBytes: 2 * GIB, seconds: 5, warmUpSeconds: 1.5, scale: 1 },
    round: 2,
    listPath: "the-list",
    ...more,
  };
}

describe("fio's arguments", () => {
  it("of a random read over NBD: depth, size of block and volume, time", () => {
    expect(fioArguments(job("read-unmapped-4k-qd32"))).toEqual([
      "--thread",
      "--output-format=json",
      "--eta=never",
      "--ioengine=nbd",
      "--randseed=1002",
      "--iodepth=32",
      "--rw=randread",
      "--bs=4096",
      "--norandommap",
      `--size=${2 * GIB}`,
      "--time_based",
      "--runtime=5000ms",
      "--name=measured",
      "--uri=nbd+unix:///snap?socket=s",
    ]);
  });

  it("of several volumes are a job for each, in one process, and reach as far as one of them does", () => {
    const targets = Array.from({ length: 16 }, (_, i): Target => ({ kind: "nbd", uri: `nbd://v${i}` }));
    const args = fioArguments(job("many-read-4k-qd8", { targets }));
    expect(args.slice(args.indexOf("--name=measured"))).toEqual(
      targets.flatMap((_, i) => ["--name=measured", `--uri=nbd://v${i}`]),
    );
    expect(args).toEqual(expect.arrayContaining(["--iodepth=8", `--size=${GIB / 8}`]));
    expect(fioArguments(job("many-write-mapped-4k-qd8", { targets }))).toContain(`--size=${MAPPED_BYTES / 16}`);
  });

  it("warm up as long as asked for, with another seed than any measured run", () => {
    const args = fioArguments(job("read-unmapped-4k-qd32", { phase: "warm-up" }));
    expect(args).toContain("--runtime=1500ms");
    expect(args).toContain("--randseed=1502");
  });

  it("of several connections report them as one", () => {
    const args = fioArguments(job("read-unmapped-4k-qd32x4"));
    expect(args).toEqual(expect.arrayContaining(["--numjobs=4", "--group_reporting"]));
  });

  it("flush at the end of a warm-up that writes, never in a measured run", () => {
    for (const name of ["write-mapped-4k-qd32", "cow-first-4k-qd32", "mixed-70-30-4k-qd16"]) {
      expect(fioArguments(job(name, { phase: "warm-up" }))).toContain("--end_fsync=1");
      expect(fioArguments(job(name))).not.toContain("--end_fsync=1");
    }
  });

  it("of rewrites stay in the region that was filled", () => {
    expect(fioArguments(job("write-mapped-4k-qd1"))).toContain(`--size=${MAPPED_BYTES}`);
    expect(prefillArguments([NBD], MAPPED_BYTES)).toContain(`--size=${MAPPED_BYTES}`);
  });

  it("of mixed loads are bounded by count, and warm up where nothing is a first touch", () => {
    const args = fioArguments(job("mixed-70-30-4k-qd16"));
    expect(args).toEqual(expect.arrayContaining(["--number_ios=24000", `--size=${2 * MAPPED_BYTES}`]));
    expect(args).not.toContain("--time_based");
    expect(fioArguments(job("mixed-70-30-4k-qd16", { phase: "warm-up" }))).toContain(`--size=${MAPPED_BYTES}`);
  });

  it("of lists replay the list", () => {
    const args = fioArguments(job("cow-first-4k-qd1"));
    expect(args).toEqual(expect.arrayContaining(["--read_iolog=the-list", "--number_ios=1", "--iodepth=1"]));
    expect(args.some((arg) => arg.startsWith("--runtime") || arg.startsWith("--size"))).toBe(false);
  });

  it("for the file itself name it, and say whether directly", () => {
    const target: Target = { kind: "file", path: "o.raw", direct: true };
    const args = fioArguments(job("read-unmapped-4k-qd1", { targets: [target] }));
    expect(args).toEqual(expect.arrayContaining(["--ioengine=io_uring", "--direct=1", "--filename=o.raw"]));
  });
});
