/**
 * Depth T: the exception table alone, its readers and its writer interleaved at every load and store of shared memory.
 *
 *   writer     publish ─ settle ─ remove, leaves rebuilt, retired and used again, memory that grows
 *   readers    lookup and settledRun, each of them stopped anywhere, for any time
 *   oracle     a plain history: what a reader is told must have been true at some moment of its lookup
 *
 * The functions are the product's, as generators (stepping.mjs); the seed says who takes the next step. It is the part of the
 * protocol that turns of a loop cannot show (C-2, C-3, C-26). Accesses are sequentially consistent, as those of Atomics are.
 */
import { EntryState } from "../../src/base/states.ts";
import { createTable, GROUP_CHUNKS } from "../../src/table/table-layout.ts";
import { TableReader } from "../../src/table/table-reader.ts";
import { TableWriter } from "../../src/table/table-writer.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";

const READERS = 3;
/** A lookup begins again when memory was reused under it; it does not do so for ever. */
const LOOKUP_STEPS_MAX = 100_000;
const SPREAD = 0x9e3779b1;

type Steps = Generator<undefined, void, void>;

export interface TableLife {
  readonly seed: number;
  /** Operations: lookups and changes, each of many loads and stores. */
  readonly steps: number;
}

/** What is said of a chunk, and from when to when it was true; an operation is true of both while it is under way. */
interface Version {
  readonly state: EntryState;
  readonly newChunk: number;
  readonly from: number;
  to: number;
}

class History {
  readonly #versions: Version[][];
  clock = 1;
  /** Lookups and changes that have ended. */
  operations = 0;
  /** The chunk that was changed last, or is being changed: there it is worth looking. */
  focus = 0;

  constructor(chunks: number) {
    this.#versions = Array.from({ length: chunks }, () => [
      { state: EntryState.None, newChunk: -1, from: 0, to: Number.POSITIVE_INFINITY },
    ]);
  }

  now(chunk: number): Version {
    return this.#versions[chunk]!.at(-1)!;
  }

  /** The change begins; call the result when it has ended. */
  change(chunk: number, state: EntryState, newChunk: number): () => void {
    const before = this.now(chunk);
    this.focus = chunk;
    this.#versions[chunk]!.push({ state, newChunk, from: this.clock, to: Number.POSITIVE_INFINITY });
    return () => {
      this.operations += 1;
      before.to = this.clock;
    };
  }

  /** Some version of the chunk since `start` is like that. */
  was(chunk: number, start: number, like: (version: Version) => boolean): boolean {
    const versions = this.#versions[chunk]!;
    for (let i = versions.length - 1; i >= 0 && versions[i]!.to >= start; i--) if (like(versions[i]!)) return true;
    return false;
  }
}

/** What one life is like. */
interface Scene {
  readonly random: SeededRandom;
  readonly history: History;
  readonly chunks: number;
  /** Where most happens. */
  readonly hot: readonly number[];
  /** The longest run that is worked on at a time. */
  readonly longest: number;
  /** Chunks that have exceptions from the start. */
  readonly loaded: readonly number[];
  readonly seen: Record<string, number>;
}

/** Live it; throws what is wrong. */
export function liveTable({ seed, steps: length }: TableLife): Readonly<Record<string, number>> {
  const random = new SeededRandom(Math.imul(seed + 1, SPREAD));
  const chunks = random.pick([300, 512, 512]);
  const memory = createTable({ originChunks: chunks });
  const history = new History(chunks);
  const scene: Scene = { random, history, chunks, ...drawPlace(random, chunks), seen: {} };
  const writer = new TableWriter(memory);
  load(writer, history, scene.loaded);
  const tasks = [writing(writer, scene)];
  for (let i = 0; i < READERS; i++) tasks.push(reading(new TableReader(memory), scene));
  // Each goes on for a while, and stands where it is while others do: between two loads the world may have changed.
  const writerSteps = random.pick([3, 20, 60, 150]);
  const readerSteps = random.pick([3, 8, 20]);
  while (history.operations < length) {
    const choice = random.chance(50) ? 0 : 1 + random.below(READERS);
    for (let n = 1 + random.below(choice === 0 ? writerSteps : readerSteps); n > 0; n--) {
      history.clock += 1;
      tasks[choice]!.next();
    }
  }
  return scene.seen;
}

/** Few chunks in small leaves, whose memory is soon used again; runs all over the table; or gaps in direct leaves. */
function drawPlace(random: SeededRandom, chunks: number): Pick<Scene, "hot" | "longest" | "loaded"> {
  const all = Array.from({ length: chunks }, (_, chunk) => chunk);
  const kind = random.pick(["few", "few", "few", "wide", "direct"] as const);
  if (kind === "wide") return { hot: all, longest: random.pick([3, 40]), loaded: [] };
  if (kind === "direct") {
    const loaded = all.filter(() => random.chance(60));
    return { hot: all.filter((chunk) => !loaded.includes(chunk)), longest: 1, loaded };
  }
  const drawn = Array.from({ length: random.pick([1, 2, 5]) }, () => random.below(chunks));
  // At the same place of another leaf, so that a foreign leaf has something to say of it.
  const twins = drawn.map((chunk) => (chunk + GROUP_CHUNKS) % chunks);
  return { hot: [...drawn, ...twins], longest: 1, loaded: [] };
}

/** Single exceptions that are there from the start. */
function load(writer: TableWriter, history: History, loaded: readonly number[]): void {
  const news = loaded.map((chunk) => 2 * chunk + 2);
  const columns = { count: loaded.length, oldLow: new Uint32Array(loaded), newLow: new Uint32Array(news) };
  for (const loading = steps(writer.loadSettled(columns)); loading.next().done !== true; );
  loaded.forEach((chunk, i) => history.change(chunk, EntryState.Settled, news[i]!)());
}

function* writing(writer: TableWriter, { random, history, chunks, hot, longest, seen }: Scene): Steps {
  let nextNew = 4 * chunks;
  for (;;) {
    // Runs of neighbours, so that leaves are folded; then they are settled, and go.
    const what = random.pick(["publish", "settle", "settle", "remove"] as const);
    const first = random.pick(hot);
    const count = Math.min(chunks - first, 1 + random.below(longest));
    const backwards = random.chance(50);
    nextNew += 2 * chunks;
    for (let i = 0; i < count; i++) {
      const chunk = backwards ? first + count - 1 - i : first + i;
      const { state, newChunk } = history.now(chunk);
      if (what === "publish" && state === EntryState.None) {
        const ended = history.change(chunk, EntryState.Visible, nextNew + chunk);
        yield* steps(writer.publish(chunk, nextNew + chunk, EntryState.Visible));
        ended();
      } else if (what === "settle" && state === EntryState.Visible) {
        const ended = history.change(chunk, EntryState.Settled, newChunk);
        yield* steps(writer.settle(chunk));
        ended();
      } else if (what === "remove" && state === EntryState.Settled) {
        const ended = history.change(chunk, EntryState.None, -1);
        yield* steps(writer.remove(chunk));
        ended();
      } else continue;
      seen[what] = (seen[what] ?? 0) + 1;
    }
  }
}

function* reading(reader: TableReader, { random, history, chunks, hot, seen }: Scene): Steps {
  for (;;) {
    const near = random.chance(50) ? history.focus : random.pick(hot);
    const first = random.chance(90) ? near : random.below(chunks);
    const limit = 1 + random.below(Math.min(chunks - first, random.pick([1, 1, 1, 1, 2, 8, 300])));
    const start = history.clock;
    if (random.chance(40)) {
      const run = yield* bounded(steps(reader.settledRun(first, limit)));
      checkSettled(history, first, limit, start, run);
    } else {
      const state = yield* bounded(steps(reader.lookup(first, limit)));
      checkLookup(history, first, limit, start, { state, newChunk: reader.newChunk, runLength: reader.runLength });
    }
    history.operations += 1;
    seen["lookup"] = (seen["lookup"] ?? 0) + 1;
    yield undefined;
  }
}

/** As stepping.mjs has made them; the types are those of the product. */
function steps<T>(value: T): Generator<undefined, T, void> {
  return value as unknown as Generator<undefined, T, void>;
}

function* bounded<T>(lookup: Generator<undefined, T, void>): Generator<undefined, T, void> {
  for (let left = LOOKUP_STEPS_MAX; left > 0; left--) {
    const { done, value } = lookup.next();
    if (done === true) return value;
    yield undefined;
  }
  throw new Error("a lookup never ends");
}

interface Found {
  readonly state: EntryState;
  readonly newChunk: number;
  readonly runLength: number;
}

function checkLookup(history: History, first: number, limit: number, start: number, found: Found): void {
  const { state, newChunk, runLength } = found;
  const what = `lookup of ${first}+${limit} says ${JSON.stringify(found)}`;
  if (!(runLength >= 1 && runLength <= limit)) throw new Error(what);
  const none = state === EntryState.None;
  const right = (chunk: number): boolean =>
    history.was(chunk, start, (v) => (none ? v.state === EntryState.None : v.newChunk === newChunk + chunk - first));
  const known = history.was(first, start, (v) => v.state === state && (none || v.newChunk === newChunk));
  if (!known) throw new Error(`${what}, which was never true meanwhile`);
  for (let i = 1; i < runLength; i++) {
    if (!right(first + i)) throw new Error(`${what}, which was never true of ${first + i} meanwhile`);
  }
}

function checkSettled(history: History, first: number, count: number, start: number, run: number): void {
  const what = `settledRun of ${first}+${count} says ${run}`;
  if (!(run >= 0 && run <= count)) throw new Error(what);
  for (let chunk = first; chunk < first + run; chunk++) {
    if (!history.was(chunk, start, (v) => v.state === EntryState.Settled))
      throw new Error(`${what}, and ${chunk} was not`);
  }
  if (run < count && !history.was(first + run, start, (v) => v.state !== EntryState.Settled))
    throw new Error(`${what}, and ${first + run} was all the time`);
}
