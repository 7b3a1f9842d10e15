/** Options of `openVolume` and `createSnapshot`: defaults, and what is refused, with node's codes and the option's name. */
import { describe, expect, test, vi } from "vitest";
import {
  checkAbortOptions,
  checkCreateOptions,
  checkGrowthOptions,
  checkMergeOptions,
  checkName,
  checkPolicy,
  checkSnapshotOptions,
} from "../../../src/engine/option-schema.ts";
import { changedPolicy, policyOf } from "../../../src/engine/room-options.ts";
import { completeOptions } from "../../../src/engine/complete-options.ts";
import type { VolumeOptions } from "../../../src/engine/volume-options.ts";

const complete = (options: Partial<VolumeOptions>): ReturnType<typeof completeOptions> =>
  completeOptions({ origin: "o", ...options });

const TYPE = ["ERR_INVALID_ARG_TYPE", TypeError] as const;
const VALUE = ["ERR_INVALID_ARG_VALUE", TypeError] as const;
const RANGE = ["ERR_OUT_OF_RANGE", RangeError] as const;

function refuses(
  call: () => unknown,
  [code, ErrorClass]: readonly [string, typeof TypeError | typeof RangeError],
  option: string,
): Error {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code, option });
  expect(thrown).toBeInstanceOf(ErrorClass);
  const { message } = thrown as Error;
  expect(message).toContain(option === "options" ? "options must be" : `options.${option} `);
  expect(message).not.toContain("--");
  return thrown as Error;
}

test("S-54: a group waits 50 ms, or for 1024 exceptions, unless told otherwise", () => {
  expect(complete({})).toMatchObject({ groupWaitMs: 50, groupCount: 1024, busyPoll: 0 });
  expect(complete({ groupWaitMs: 0, groupCount: 1, busyPoll: 25 })).toMatchObject({
    groupWaitMs: 0,
    groupCount: 1,
    busyPoll: 25,
  });
  expect([complete({}).trim, complete({ trim: "preserve" }).trim]).toEqual(["keep", "preserve"]);
});

test("every option is taken as its type says, and what is undefined counts as left out", () => {
  const snapshot = {
    ...{ name: "s", cow: "s.cow", chunkSize: 4096, store: "PO" as const, size: 2 ** 20, sparse: true, force: false },
    ...{ discardZeroesCow: true, discardPassdownOrigin: true, readOnly: true, written: false },
    ...{ grow: { by: 512, at: 1, max: 2 ** 21 }, whenFull: "stall" as const, stallSeconds: 0.5 },
  } as const;
  const options: Required<VolumeOptions> = {
    ...{ origin: "o", snapshots: [snapshot], listen: ["unix:/s", "tcp:[::1]:0", "fd:3"], direct: false, io: "sync" },
    ...{ socketMode: 0o660, socketGroup: "disk" },
    ...{
      readOnly: true,
      originReadOnly: false,
      workers: 2,
      copyWorkers: 3,
      early: false,
      fills: true,
      reserves: false,
      mergeBatches: false,
      trim: "preserve",
    },
    ...{ mergePercent: 12.5, groupWaitMs: 1, groupCount: 2, busyPoll: 3, noMerge: false, abandon: [], moved: true },
    ...{ registered: true, abandonMissing: false, unregistered: true, unlocked: true, log: () => {} },
  };
  const { log, ...plain } = options;
  // Who may write nothing may not write the origin, either.
  const listen = [{ unix: "/s" }, { host: "::1", port: 0 }, { fd: 3 }];
  expect(completeOptions(options)).toMatchObject({ ...plain, listen, originReadOnly: true });
  const absent = Object.fromEntries(Object.keys(options).map((key) => [key, undefined]));
  const { log: _, droppedLines: __, ...defaults } = complete({});
  expect(complete({ ...absent, origin: "o" })).toMatchObject(defaults);
});

describe("what a snapshot does when its store runs full", () => {
  const grows = (grow: unknown, more: object = {}): (() => unknown) => {
    return () => checkSnapshotOptions({ name: "s", cow: "c", grow, ...more });
  };

  test.each([
    ["grow that is no object", 512, TYPE, "grow"],
    ["grow by nothing", {}, TYPE, "grow.by"],
    ["grow by undefined", { by: undefined }, TYPE, "grow.by"],
    ["grow by half a sector", { by: 100 }, RANGE, "grow.by"],
    ["grow at nothing", { by: 512, at: 0 }, RANGE, "grow.at"],
    ["grow when it is full", { by: 512, at: 100 }, RANGE, "grow.at"],
    ["grow at a text", { by: 512, at: "80" }, TYPE, "grow.at"],
    ["grow up to less than it grows by", { by: 1024, max: 512 }, VALUE, "grow.max"],
    ["grow up to what is no sector", { by: 512, max: 1000 }, RANGE, "grow.max"],
    ["grow in steps", { by: 512, step: 1 }, VALUE, "grow.step"],
  ] as const)("%s", (_what, grow, error, option) => {
    refuses(grows(grow), error, option);
    refuses(() => checkPolicy({ grow }), error, option);
  });

  test.each([
    ["another word", { whenFull: "wait" }, VALUE, "whenFull"],
    ["PO that invalidates", { store: "PO", whenFull: "invalidate" }, VALUE, "whenFull"],
    ["N that overflows", { store: "N", chunkSize: 4096, whenFull: "overflow" }, VALUE, "whenFull"],
    ["a time without a stall", { stallSeconds: 5 }, VALUE, "stallSeconds"],
    ["a time of an overflow", { whenFull: "overflow", stallSeconds: 5 }, VALUE, "stallSeconds"],
    ["no time", { whenFull: "stall", stallSeconds: 0 }, RANGE, "stallSeconds"],
    ["a time without end", { whenFull: "stall", stallSeconds: Number.POSITIVE_INFINITY }, RANGE, "stallSeconds"],
    ["a limit below the size", { size: 4096, grow: { by: 512, max: 2048 } }, VALUE, "grow.max"],
    ["a file with and without its blocks", { sparse: true, written: true }, VALUE, "written"],
  ] as const)("%s is refused", (_what, options, error, option) => {
    refuses(() => checkSnapshotOptions({ name: "s", cow: "c", ...options }), error, option);
  });

  test.each([
    [{}, { overflows: false, stalls: false }],
    [{ store: "PO" }, { overflows: true, stalls: false }],
    [{ whenFull: "invalidate" }, { overflows: false, stalls: false }],
    [{ whenFull: "overflow" }, { overflows: true, stalls: false }],
    [
      { store: "PO", whenFull: "overflow" },
      { overflows: true, stalls: false },
    ],
    [
      { store: "PO", whenFull: "stall" },
      { overflows: true, stalls: true },
    ],
    [
      { whenFull: "stall", stallSeconds: 3 },
      { overflows: false, stalls: true, stallSeconds: 3 },
    ],
    [{ grow: { by: 1024 } }, { grow: { by: 1024, at: 80, max: Number.POSITIVE_INFINITY } }],
  ] as const)("%j", (options, policy) => {
    expect(policyOf(checkSnapshotOptions({ name: "s", cow: "c", ...options }))).toMatchObject(policy);
  });

  test("a policy changes by what is said, and null takes away", () => {
    const first = policyOf({ name: "s", cow: "c", store: "PO", whenFull: "stall", stallSeconds: 3, grow: { by: 512 } });
    expect(changedPolicy(first, checkPolicy({}))).toEqual(first);
    expect(changedPolicy(first, { grow: null }).grow).toBeUndefined();
    expect(changedPolicy(first, { stallSeconds: null }).stallSeconds).toBe(Number.POSITIVE_INFINITY);
    expect(changedPolicy(first, { whenFull: "invalidate" })).toMatchObject({ overflows: false, stalls: false });
    expect(changedPolicy(first, { whenFull: "overflow" })).toMatchObject({ overflows: true, stalls: false });
    const P = policyOf({ name: "s", cow: "c" });
    expect(changedPolicy(P, { whenFull: "stall" })).toMatchObject({ overflows: false, stalls: true });
    refuses(() => checkPolicy({ whenFull: "overflow", stallSeconds: 1 }), VALUE, "stallSeconds");
  });

  test("the size to grow to is whole sectors", () => {
    expect(checkGrowthOptions({ size: 1024 })).toEqual({ size: 1024 });
    refuses(() => checkGrowthOptions({ size: 1000 }), RANGE, "size");
    refuses(() => checkGrowthOptions({ bytes: 1024 }), VALUE, "bytes");
  });
});

test("what is given may be changed afterwards: a volume has a copy", () => {
  const options = { origin: "o", snapshots: [{ name: "s", cow: "s.cow", size: 512 }] };
  const { snapshots } = completeOptions(options);
  options.snapshots[0].size = -1;
  expect(snapshots[0].size).toBe(512);
});

describe("whole numbers within their bounds", () => {
  test.each([
    ["groupWaitMs", -1, 60_001],
    ["groupCount", 0, 1025],
    ["busyPoll", -1, 1_000_001],
    ["workers", 0, 17],
    ["copyWorkers", 0, 17],
  ] as const)("%s", (name, below, above) => {
    for (const value of [below, above, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      refuses(() => complete({ [name]: value }), RANGE, name);
    for (const value of ["1", null, true, {}]) refuses(() => complete({ [name]: value }), TYPE, name);
    for (const value of [below + 1, above - 1]) expect(complete({ [name]: value })[name]).toBe(value);
  });

  test.each([0, 100.5, -1, Number.NaN])("mergePercent %d", (mergePercent) => {
    refuses(() => complete({ mergePercent }), RANGE, "mergePercent");
  });
});

describe("options of the volume that are none", () => {
  const any = (options: unknown): (() => unknown) => {
    return () => completeOptions(options as VolumeOptions);
  };

  test.each([
    ["no options", undefined, TYPE, "options"],
    ["null", null, TYPE, "options"],
    ["a path", "disk.img", TYPE, "options"],
    ["an empty object", {}, TYPE, "origin"],
    ["an array", [], TYPE, "origin"],
    ["an origin that is no string", { origin: Buffer.from("o") }, TYPE, "origin"],
    ["an empty origin", { origin: "" }, VALUE, "origin"],
    ["an origin with a zero byte", { origin: "a\0b" }, VALUE, "origin"],
    ["an unknown name", { origin: "o", readonly: true }, VALUE, "readonly"],
    ["a name that every object has", { origin: "o", toString: (): string => "" }, VALUE, "toString"],
    ["snapshots that are no array", { origin: "o", snapshots: { name: "a", cow: "a" } }, TYPE, "snapshots"],
    ["an address that is no array", { origin: "o", listen: "unix:/x" }, TYPE, "listen"],
    ["an address without a kind", { origin: "o", listen: ["unix:/x", "/x"] }, VALUE, "listen[1]"],
    ["a socket's path that is too long", { origin: "o", listen: [`unix:/${"x".repeat(107)}`] }, VALUE, "listen[0]"],
    ["a port that is none", { origin: "o", listen: ["tcp:localhost:70000"] }, VALUE, "listen[0]"],
    ["no host", { origin: "o", listen: ["tcp::10809"] }, VALUE, "listen[0]"],
    ["a descriptor that is the standard output", { origin: "o", listen: ["fd:1"] }, VALUE, "listen[0]"],
    ["a mode of a socket that is a text", { origin: "o", socketMode: "0660" }, TYPE, "socketMode"],
    ["a mode of a socket with more than rights", { origin: "o", socketMode: 0o1660 }, RANGE, "socketMode"],
    ["a group of a socket that is no number", { origin: "o", socketGroup: -1 }, RANGE, "socketGroup"],
    ["a group of a socket that would be a part of a number", { origin: "o", socketGroup: 1.5 }, RANGE, "socketGroup"],
    ["a group of a socket that has no name", { origin: "o", socketGroup: "" }, VALUE, "socketGroup"],
    ["a group of a socket that is neither", { origin: "o", socketGroup: ["disk"] }, TYPE, "socketGroup"],
    ["another kind of I/O", { origin: "o", io: "foo" }, VALUE, "io"],
    ["I/O that is no string", { origin: "o", io: 1 }, TYPE, "io"],
    ["another way to trim", { origin: "o", trim: "discard" }, VALUE, "trim"],
    ["a trim that is no word", { origin: "o", trim: true }, TYPE, "trim"],
    ["direct as a word", { origin: "o", direct: "yes" }, VALUE, "direct"],
    ["direct as a number", { origin: "o", direct: 1 }, TYPE, "direct"],
    ["a flag as a word", { origin: "o", readOnly: "true" }, TYPE, "readOnly"],
    ["a log that is no function", { origin: "o", log: console }, TYPE, "log"],
    ["abandon as a string", { origin: "o", abandon: "a" }, TYPE, "abandon"],
    ["abandon of no string", { origin: "o", abandon: [1] }, TYPE, "abandon[0]"],
    ["abandon of a read-only volume", { origin: "o", abandon: ["a"], readOnly: true }, VALUE, "abandon"],
    ["noMerge of a read-only volume", { origin: "o", noMerge: true, readOnly: true }, VALUE, "noMerge"],
    ["more than 256 snapshots", { origin: "o", snapshots: many(257) }, VALUE, "snapshots"],
    ["a name twice", { origin: "o", snapshots: [...many(2), ...many(1)] }, VALUE, "snapshots[2].name"],
    [
      "a wrong size of the second",
      { origin: "o", snapshots: [...many(1), { name: "b", cow: "b", size: "1M" }] },
      TYPE,
      "snapshots[1].size",
    ],
  ] as const)("%s", (_, options, kind, option) => {
    refuses(any(options), kind, option);
  });
});

describe("options of a snapshot that are none", () => {
  test.each([
    ["nothing", undefined, TYPE, "options"],
    ["no name", { cow: "a" }, TYPE, "name"],
    ["no COW device", { name: "a" }, TYPE, "cow"],
    ["an empty name", { name: "", cow: "a" }, VALUE, "name"],
    ["the live volume's name", { name: "origin", cow: "a" }, VALUE, "name"],
    ["a name of 4097 bytes", { name: "n".repeat(4097), cow: "a" }, VALUE, "name"],
    ["a name that is no text", { name: "a\ud800", cow: "a" }, VALUE, "name"],
    ["a name with a zero byte", { name: "a\0", cow: "a" }, VALUE, "name"],
    ["an empty COW path", { name: "a", cow: "" }, VALUE, "cow"],
    ["another kind of store", { name: "a", cow: "a", store: "X" }, VALUE, "store"],
    ["a kind of store in small letters", { name: "a", cow: "a", store: "p" }, VALUE, "store"],
    ["an unknown name", { name: "a", cow: "a", chunk: 4096 }, VALUE, "chunk"],
    ["a store in memory without a chunk size", { name: "a", cow: "a", store: "N" }, TYPE, "chunkSize"],
  ] as const)("%s", (_, options, kind, option) => {
    refuses(() => checkSnapshotOptions(options), kind, option);
  });

  test.each([-1, 0, 1, 511, 1000, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("size %d", (size) => {
    refuses(() => checkSnapshotOptions({ name: "a", cow: "a", size }), RANGE, "size");
  });

  test.each([-1, 0, 256, 3072, 12288, 1.5, Number.NaN, 2 ** 31, 2 ** 53])("chunkSize %d", (chunkSize) => {
    refuses(() => checkSnapshotOptions({ name: "a", cow: "a", chunkSize }), RANGE, "chunkSize");
  });

  test.each(["1M", "", null, true, [], "1048576", () => 1])("a size that is no number: %s", (size) => {
    refuses(() => checkSnapshotOptions({ name: "a", cow: "a", size }), TYPE, "size");
  });

  test("what was given is shown, short and on one line", () => {
    const size = "1M\u001b[31m\n".repeat(1000);
    const { message } = refuses(() => checkSnapshotOptions({ name: "a", cow: "a", size }), TYPE, "size");
    expect(message).toMatch(/^options\.size must be a number of bytes; received "1M\\u001b\[31m\\n1M/);
    expect(message.length).toBeLessThan(300);
  });
});

test("a log that throws, or whose promise rejects, throws nowhere: its lines are counted", async () => {
  const seen: string[] = [];
  const { log, droppedLines } = complete({
    log: (line) => {
      seen.push(line);
      if (line === "throws") throw new Error("no space left");
      if (line === "rejects") return Promise.reject(new Error("no space left"));
      return undefined;
    },
  });
  for (const line of ["throws", "good", "rejects", "good again"]) log(line);
  await vi.waitFor(() => expect(droppedLines()).toBe(2));
  expect(seen).toEqual(["throws", "good", "rejects", "good again"]);
});

function many(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({ name: `s${index}`, cow: `${index}.cow` }));
}

test("what methods take is checked as well: signals, listeners, names", () => {
  for (const check of [checkAbortOptions, checkCreateOptions, checkMergeOptions]) {
    for (const wrong of [null, 5, "x"]) refuses(() => check(wrong), TYPE, "options");
    for (const signal of [5, null, {}, { aborted: false }]) refuses(() => check({ signal }), TYPE, "signal");
    refuses(() => check({ sginal: AbortSignal.abort() }), VALUE, "sginal");
    const { signal } = new AbortController();
    expect(check({ signal }).signal).toBe(signal);
    expect(check({ signal: undefined })).toEqual({ signal: undefined });
  }
  for (const maxPauseMs of ["5", null]) refuses(() => checkCreateOptions({ maxPauseMs }), TYPE, "maxPauseMs");
  for (const maxPauseMs of [0, 1.5, 3_600_001, NaN])
    refuses(() => checkCreateOptions({ maxPauseMs }), RANGE, "maxPauseMs");
  expect(checkCreateOptions({ maxPauseMs: 1 }).maxPauseMs).toBe(1);
  refuses(() => checkMergeOptions({ onProgress: "x" }), TYPE, "onProgress");
  const onProgress = (): void => {};
  expect(checkMergeOptions({ onProgress }).onProgress).toBe(onProgress);
  expect(() => checkName(undefined)).toThrow(/^name must be a string; received undefined$/);
  expect(() => checkName("")).not.toThrow();
});
