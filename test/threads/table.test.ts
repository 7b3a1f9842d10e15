/**
 * The table and the tracked reads on real threads: what the unit tests cannot see. Runs on the built dist/.
 */
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { createTable } from "../../src/table/table-layout.ts";
import { TRACKING_WORDS } from "../../src/table/tracking.ts";

interface Outcome {
  readonly lookups?: number;
  readonly wrong?: string;
  readonly generations?: number;
  readonly waits?: number;
  readonly stuck?: boolean;
}

const CHUNKS = 2 ** 18;
const HOT = 4 * 256;

/** Of a race that must be lost. */
const TRIALS = 10;

interface Roles {
  readonly writer: string;
  readonly readers: readonly string[];
  readonly operations: number;
  readonly options?: object;
}

async function run(memory: SharedArrayBuffer, roles: Roles): Promise<Outcome[]> {
  const seed = Math.floor(Math.random() * 2 ** 31) + 1;
  console.log(`seed ${seed}`);
  const phases = new SharedArrayBuffer(CHUNKS * 4);
  const control = new SharedArrayBuffer(64);
  const { operations, options = {} } = roles;
  const start = (role: string, i: number): Promise<Outcome> => {
    const shared = { memory, phases, control, chunks: CHUNKS, hot: HOT };
    const workerData = { ...shared, role, seed: seed + 7919 * i, operations, readers: roles.readers.length, options };
    const worker = new Worker(new URL("./table-worker.mjs", import.meta.url), { workerData });
    return new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  };
  return await Promise.all([roles.writer, ...roles.readers].map(start));
}

describe("table on threads", () => {
  test("readers see only what was true during their lookup, while leaves are replaced and used again (C-3, C-26)", async () => {
    const memory = createTable({ originChunks: CHUNKS });
    const before = memory.byteLength;
    const [writer, ...readers] = await run(memory, {
      writer: "writer",
      readers: ["reader", "reader"],
      operations: 60_000,
    });
    for (const reader of readers) {
      expect(reader.wrong).toBeUndefined();
      expect(reader.lookups).toBeGreaterThan(1000);
    }
    expect(writer.generations).toBeGreaterThan(10);
    expect(memory.byteLength).toBeGreaterThan(before);
  });

  test("a reader that stays in a lookup until its leaf is used again finds out by tgen (C-3)", async () => {
    const [, reader] = await run(createTable({ originChunks: CHUNKS }), {
      writer: "writer",
      readers: ["slowReader"],
      operations: 30_000,
      options: { recheck: true },
    });
    expect(reader.wrong).toBeUndefined();
    expect(reader.lookups).toBeGreaterThan(10);
  });

  test("without the second load of tgen the same reader is caught with a wrong answer (table W_NORECHECK)", async () => {
    const roles = { writer: "writer", readers: ["slowReader"], operations: 30_000, options: { recheck: false } };
    // On a machine that is busy with something else the two may hardly have met.
    let wrong: string | undefined;
    for (let trial = 0; wrong === undefined && trial < TRIALS; trial++) {
      const [, reader] = await run(createTable({ originChunks: CHUNKS }), roles);
      wrong = reader.wrong;
    }
    expect(wrong).toMatch(/chunk \d+: state/);
  });

  test("what a tracked read took is not retired before it ends, and no wake-up is lost (C-1, C-5, C-24)", async () => {
    const [main, ...readers] = await run(new SharedArrayBuffer(TRACKING_WORDS * 4), {
      writer: "drainer",
      readers: ["tracker", "tracker"],
      operations: 120_000,
      options: { waits: 100 },
    });
    expect(main.stuck).toBe(false);
    expect(main.waits).toBeGreaterThanOrEqual(100);
    for (const reader of readers) expect(reader.wrong).toBeUndefined();
  });

  test("a reader that looks before it tracks is caught with something retired (C-1)", async () => {
    const roles = { writer: "drainer", readers: ["tracker", "tracker"], operations: 60_000, options: { early: true } };
    let isCaught = false;
    for (let trial = 0; !isCaught && trial < TRIALS; trial++) {
      const [, ...readers] = await run(new SharedArrayBuffer(TRACKING_WORDS * 4), roles);
      isCaught = readers.some((reader) => reader.wrong !== undefined);
    }
    expect(isCaught).toBe(true);
  });
});
