/** How a device is asked to zero and to discard: the best way first, the next one where it cannot, and never again what it cannot. */
import { describe, expect, it } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { AllocateMode, IoOp } from "../../../src/ring/io-descriptor.ts";
import { EXPORT_ZERO_BYTES } from "../../../src/ring/export-arena.ts";
import { ORIGIN_FILE } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";

const PAGE = 4096;
const HOLE = AllocateMode.PunchHole | AllocateMode.KeepSize;
const RANGE = AllocateMode.ZeroRange | AllocateMode.KeepSize;
const WRITTEN = "written";

/** The ways in which the origin was asked since the last call. */
function ways(bench: ExportBench): (number | string)[] {
  const asked = bench.ring.log.splice(0).filter(({ file, op }) => file === ORIGIN_FILE && op !== IoOp.Read);
  return asked.map(({ op, argument }) => (op === IoOp.Allocate ? argument : WRITTEN));
}

/** The ways of one request, and what it was answered with. */
function asked(
  bench: ExportBench,
  client: ExportClient,
  command: number,
  flags = 0,
  length = 4 * PAGE,
): [(number | string)[], number] {
  const cookie = client.request(command, 0, length, flags);
  bench.run();
  return [ways(bench), client.errors()[cookie]!];
}

it("zeroes make a hole, NO_HOLE a zeroed range, a trim a discard, each in one operation", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  expect(asked(bench, client, Command.WriteZeroes)).toEqual([[HOLE], 0]);
  expect(asked(bench, client, Command.WriteZeroes, CommandFlag.NoHole)).toEqual([[RANGE], 0]);
  expect(asked(bench, client, Command.Trim)).toEqual([[AllocateMode.Discard], 0]);
  expect(bench.origin.subarray(0, 4 * PAGE).every((byte) => byte === 0)).toBe(true);
});

describe.each(["EOPNOTSUPP", "EINVAL", "ENOSYS"] as const)("a device that answers %s", (name) => {
  it("is zeroed in the next way, and is not asked again for what it cannot", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    let can: number[] = [RANGE];
    bench.ring.fault = ({ op, argument }) =>
      op === IoOp.Allocate && !can.includes(argument) ? -errno[name] : undefined;
    expect(asked(bench, client, Command.WriteZeroes)).toEqual([[HOLE, RANGE], 0]);
    expect(asked(bench, client, Command.WriteZeroes)).toEqual([[RANGE], 0]);
    can = [];
    bench.origin.fill(1);
    expect(asked(bench, client, Command.WriteZeroes)).toEqual([[RANGE, WRITTEN], 0]);
    expect(bench.origin.subarray(0, 5 * PAGE).indexOf(1)).toBe(4 * PAGE);
    expect(asked(bench, client, Command.WriteZeroes, CommandFlag.NoHole)).toEqual([[WRITTEN], 0]);
    // A discard is advice: it is another thing to be able to do, and is done when it cannot be.
    can = [AllocateMode.Discard];
    expect(asked(bench, client, Command.Trim)).toEqual([[AllocateMode.Discard], 0]);
    can = [];
    expect(asked(bench, client, Command.Trim)).toEqual([[AllocateMode.Discard], 0]);
    const [again, error] = asked(bench, client, Command.Trim);
    expect([again.includes(AllocateMode.Discard), error]).toEqual([false, 0]);
  });
});

it("a device that fails is believed: the error is the client's, and it is asked again", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.fault = ({ op }) => (op === IoOp.Allocate ? -errno.EIO : undefined);
  for (let times = 0; times < 2; times++) {
    expect(asked(bench, client, Command.WriteZeroes)).toEqual([[HOLE], errno.EIO]);
    expect(asked(bench, client, Command.WriteZeroes, CommandFlag.NoHole)).toEqual([[RANGE], errno.EIO]);
  }
});

it("an error that means a lack only in an allocation is one in a write", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.fault = ({ op }) =>
    op === IoOp.Allocate ? -errno.EOPNOTSUPP : op === IoOp.Write ? -errno.EINVAL : undefined;
  expect(asked(bench, client, Command.WriteZeroes)).toEqual([[HOLE, RANGE, WRITTEN], errno.EINVAL]);
});

it("zeroes that are to be durable at once are written, as many at a time as there are in memory", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  const length = 2 * EXPORT_ZERO_BYTES + PAGE;
  bench.origin.fill(1);
  const [how, error] = asked(bench, client, Command.WriteZeroes, CommandFlag.Fua, length);
  expect([how, error]).toEqual([[WRITTEN, WRITTEN, WRITTEN], 0]);
  expect(bench.origin.indexOf(1)).toBe(length);
});

it("a trim of no whole page discards nothing", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.origin.fill(1);
  const cookie = client.request(Command.Trim, 512, 2 * PAGE - 1024);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: 0 });
  expect(ways(bench).filter((way) => way === AllocateMode.Discard)).toEqual([]);
  client.request(Command.Trim, 512, 3 * PAGE - 1024);
  bench.run();
  expect(bench.origin.indexOf(0)).toBe(PAGE);
  expect(bench.origin.lastIndexOf(0)).toBe(2 * PAGE - 1);
});
