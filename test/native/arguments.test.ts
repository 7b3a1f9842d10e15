/**
 * Bad arguments to every function of the addon: wrong types, too few, numbers out of range, memory that could move, that is detached
 * or too short. Each is refused with an exception, or with an error number where it is a descriptor that is not open; never with
 * a crash. What follows shows that the process is whole.
 */
import { expect, it } from "vitest";
import { addon, PAGE } from "./ring-bench.ts";
import { errno } from "../../src/base/errno.ts";
import { newSharedPages } from "../../src/device/shared-pages.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS } from "../../src/ring/io-descriptor.ts";

type Loose = Record<string, (...args: unknown[]) => unknown>;

const CAPACITY = 4;
const CLOSED = 1 << 20;

const STRANGE: readonly unknown[] = [
  ...[
    undefined,
    null,
    "7",
    {},
    [],
    () => 0,
    Symbol("x"),
    7n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    0.5,
    -2,
    2 ** 31,
    2 ** 53,
    2 ** 64,
  ],
  ...[
    new Uint8Array(8),
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new SharedArrayBuffer(8),
    new Proxy({}, {}),
  ],
];

/** Memory as a ring takes it: shared, and on a page. */
const pages = (bytes: number): Uint8Array => new Uint8Array(newSharedPages(bytes), 0, bytes);

const native = (): Loose => addon() as unknown as Loose;

const memory = (): [Uint8Array, Int32Array, Int32Array] => [
  pages(2 * PAGE),
  new Int32Array(new SharedArrayBuffer(4 * CAPACITY * DESCRIPTOR_WORDS)),
  new Int32Array(new SharedArrayBuffer(4 * CAPACITY * COMPLETION_WORDS)),
];

const good = (): unknown[] => [false, ...memory(), CAPACITY, 2, 0, 0];

/** Refused: it throws, or answers with a negative number. */
function refused(call: () => unknown): boolean {
  try {
    const answer = call();
    return typeof answer === "number" ? answer < 0 : Array.isArray(answer) && (answer[0] as number) < 0;
  } catch (error) {
    return error instanceof TypeError || error instanceof RangeError;
  }
}

function detach<T extends Uint8Array | Int32Array>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

/** They take a typed array, where the others take a descriptor. */
const OF_MEMORY: ReadonlySet<string> = new Set(["pageOffset", "useHugePages"]);

it.each([
  ["signalEvent", 1],
  ["ownEvent", 1],
  ["closeEvent", 1],
  ["lockFile", 2],
  ["unlockFile", 1],
  ["deviceFacts", 1],
  ["reserveFile", 2],
  ["forbidCopyOnWrite", 1],
  ["duplicateFile", 1],
  ["shutdownSocket", 1],
  ["watchEvent", 2],
  ["pageOffset", 1],
  ["useHugePages", 2],
] as const)("%s", (name, count) => {
  const call = native()[name]!;
  const second: Record<string, unknown> = { lockFile: true, reserveFile: PAGE, watchEvent: () => {}, useHugePages: 0 };
  const rest = name in second ? [second[name]] : [];
  for (let given = 0; given < count; given++)
    expect(() => call(...[CLOSED, ...rest].slice(0, given))).toThrow(TypeError);
  for (const strange of STRANGE) {
    if (OF_MEMORY.has(name) && strange instanceof Uint8Array) continue;
    expect(
      refused(() => call(strange, ...rest)),
      `${name}(${String(typeof strange)})`,
    ).toBe(true);
  }
  if (OF_MEMORY.has(name)) return;
  expect(refused(() => call(CLOSED, ...rest))).toBe(true);
  for (const strange of rest.length === 0
    ? []
    : STRANGE.filter((one) => typeof one !== "number" && typeof one !== "function"))
    expect(() => call(CLOSED, strange)).toThrow(TypeError);
});

it("endProcess: what is no exit code", () => {
  const { endProcess } = native() as { endProcess: (...args: unknown[]) => unknown };
  expect(() => endProcess()).toThrow(TypeError);
  for (const strange of STRANGE.filter((one) => one !== 7)) expect(() => endProcess(strange)).toThrow(TypeError);
});

it("notifySocket: what is no text, or too long, and an address that leads nowhere", () => {
  const { notifySocket } = native() as { notifySocket: (...args: unknown[]) => unknown };
  expect(() => notifySocket()).toThrow(TypeError);
  expect(() => notifySocket("@nobody")).toThrow(TypeError);
  for (const strange of STRANGE.filter((one) => typeof one !== "string")) {
    expect(() => notifySocket(strange, "text")).toThrow(TypeError);
    expect(() => notifySocket("@nobody", strange)).toThrow(TypeError);
  }
  expect(() => notifySocket("p".repeat(108), "text")).toThrow(TypeError);
  expect(() => notifySocket("@nobody", "t".repeat(4097))).toThrow(TypeError);
  expect(notifySocket("", "text")).toBe(-22);
  expect(notifySocket("p".repeat(107), "t".repeat(4096))).toBe(-2);
  expect(notifySocket("@nobody", "text")).toBe(-111);
});

it("useHugePages: a length that is none, and memory that is gone", () => {
  const { useHugePages } = native() as { useHugePages: (...args: unknown[]) => unknown };
  for (const strange of [undefined, "1", -1, 0.5, Number.NaN, 2 ** 60]) {
    expect(() => useHugePages(new Uint8Array(PAGE), strange)).toThrow(TypeError);
  }
  expect(useHugePages(detach(new Uint8Array(PAGE)), PAGE)).toBeLessThan(0);
});

it("createRing: each argument in turn is what it should not be", () => {
  const { createRing } = native() as { createRing: (...args: unknown[]) => unknown };
  for (let at = 0; at < 8; at++) {
    expect(() => createRing(...good().slice(0, at))).toThrow(TypeError);
    for (const strange of STRANGE) {
      // Half a byte of an arena, no queue entries: what a number may be is checked below.
      const args = good();
      args[at] = strange;
      expect(() => createRing(...args), `argument ${at}: ${typeof strange}`).toThrow(TypeError);
    }
  }
  for (const [at, number] of [
    [4, 0],
    [4, CAPACITY + 1],
    [5, 0],
    [5, 2 ** 20],
    [6, 2 * PAGE + 1],
    [7, 2 ** 20],
  ] as const) {
    const args = good();
    args[at] = number;
    expect(() => createRing(...args), `argument ${at}: ${number}`).toThrow(TypeError);
  }
});

it("createRing: memory that is not shared, detached, of another type, off its page, or too short", () => {
  const { createRing } = native() as { createRing: (...args: unknown[]) => unknown };
  const shared = pages(4 * PAGE);
  const arenas = [
    new Uint8Array(2 * PAGE),
    detach(new Uint8Array(2 * PAGE)),
    new Uint8Array(shared.buffer, shared.byteOffset + 8, PAGE),
    new Uint8Array(shared.buffer, shared.byteOffset, 0),
    new Int32Array(shared.buffer, shared.byteOffset, PAGE / 4),
  ];
  for (const arena of arenas) expect(() => createRing(false, arena, ...good().slice(2))).toThrow(TypeError);
  const lost = detach(new Int32Array(4096));
  for (const words of [
    lost,
    new Int32Array(4096),
    new Int32Array(new SharedArrayBuffer(60)),
    new Uint32Array(new SharedArrayBuffer(4096)),
  ]) {
    for (const at of [2, 3]) {
      const args = good();
      args[at] = at === 3 && words.byteLength === 60 ? words.subarray(0, 3) : words;
      expect(() => createRing(...args)).toThrow(TypeError);
    }
  }
});

it.each([false, true])("the functions of a ring (uring: %s), and of one that is closed", (uring) => {
  if (uring && addon().probe() !== 0) return;
  const ring = (native()["createRing"] as (...args: unknown[]) => unknown)(uring, ...good().slice(1)) as Loose;
  const calls: readonly (readonly [string, readonly unknown[]])[] = [
    ["turn", [0, false]],
    ["setFile", [0, -1, 0]],
    ["copy", [0, 8, 8]],
    ["zero", [0, 8]],
  ];
  for (const [name, args] of calls) {
    for (let at = 0; at < args.length; at++) {
      expect(() => ring[name]!(...args.slice(0, at))).toThrow(TypeError);
      for (const strange of STRANGE) {
        expect(
          refused(() => ring[name]!(...args.slice(0, at), strange, ...args.slice(at + 1))),
          `${name} ${at} ${typeof strange}`,
        ).toBe(true);
      }
    }
  }
  expect(() => ring["turn"]!(CAPACITY + 1, false)).toThrow(TypeError);
  expect(() => ring["copy"]!(0, 2 * PAGE - 7, 8)).toThrow();
  expect(() => ring["zero"]!(2 * PAGE, 1)).toThrow();
  expect(ring["setFile"]!(0, CLOSED, 0)).toBe(-errno.EBADF);
  expect(ring["turn"]!(0, true)).toBe(0);
  // Its functions without their ring, and on another object: they know their own.
  const { turn } = ring;
  expect(turn!.call(undefined, 0, false)).toBe(0);
  ring["close"]!();
  ring["close"]!();
  for (const [name, args] of [...calls, ["counters", []] as const]) expect(() => ring[name]!(...args)).toThrow();
});

it("readAttribute, writeAttribute: names and values that are none, too long, or on nothing", () => {
  const { readAttribute, writeAttribute } = native() as Record<string, (...args: unknown[]) => unknown>;
  const NAME = "user.snapring-test";
  for (let given = 0; given < 3; given++) {
    expect(() => writeAttribute(...[CLOSED, NAME, "x"].slice(0, given))).toThrow(TypeError);
    if (given < 2) expect(() => readAttribute(...[CLOSED, NAME].slice(0, given))).toThrow(TypeError);
  }
  for (const strange of STRANGE) {
    expect(refused(() => readAttribute(strange, NAME))).toBe(true);
    expect(refused(() => writeAttribute(strange, NAME, "x"))).toBe(true);
    if (typeof strange === "string") continue;
    expect(() => readAttribute(CLOSED, strange)).toThrow(TypeError);
    expect(() => writeAttribute(CLOSED, NAME, strange)).toThrow(TypeError);
  }
  expect(() => readAttribute(CLOSED, "n".repeat(256))).toThrow(TypeError);
  expect(() => writeAttribute(CLOSED, NAME, "v".repeat(4097))).toThrow(TypeError);
  expect(readAttribute(CLOSED, NAME)).toBe(-errno.EBADF);
  expect(writeAttribute(CLOSED, NAME, "v".repeat(4096))).toBe(-errno.EBADF);
});
