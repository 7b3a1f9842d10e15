/**
 * The threads of table.test.ts, on the built dist/: one writer that changes a table without pause, and readers that check
 * every answer.
 *
 * A shared *phase* per chunk tells the readers what may be true. The writer steps it before and after each change:
 *
 *   6e none   6e+1 none or visible   6e+2 visible   6e+3 visible or settled   6e+4 settled   6e+5 settled or none
 *
 * A reader loads the phase, looks the chunk up, and loads the phase again: the answer must be one that was true at some
 * moment between, with the new chunk of that epoch e. So the readers check linearizability, not just plausibility.
 */
import { parentPort, workerData } from "node:worker_threads";
import { findEntry } from "../../dist/src/table/leaf-search.js";
import {
  covers,
  DIRECTORY_WORD,
  GROUP_CHUNKS,
  newChunkFrom,
  offsetOf,
  stateBits,
  TGEN_WORD,
  viewOf,
} from "../../dist/src/table/table-layout.js";
import { TableReader } from "../../dist/src/table/table-reader.js";
import { TableWriter } from "../../dist/src/table/table-writer.js";
import { bucketOf, Tracking, TrackingReader } from "../../dist/src/table/tracking.js";

const {
  role,
  memory,
  phases: phaseMemory,
  control: controlMemory,
  seed,
  chunks,
  hot,
  operations,
  readers,
  options,
} = workerData;
const phases = new Int32Array(phaseMemory);
/** word 0: readers that are ready, 1: the writer has ended, 2: wake-ups of the drainer */
const control = new Int32Array(controlMemory);

let random = seed | 0;
function next(limit) {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return (random >>> 0) % limit;
}

/** Consecutive for neighbours of the same epoch, so that runs are folded; both words change with the epoch. */
function newChunkAt(chunk, epoch) {
  return chunk + (epoch % 1024) * 0x1_0000_1000;
}

function writer() {
  const table = new TableWriter(memory);
  const step = (chunk) => Atomics.add(phases, chunk, 1);
  const change = (chunk, kind) => {
    const phase = phases[chunk];
    const epoch = Math.floor(phase / 6);
    const at = phase % 6;
    if (kind === 0 && at === 0) {
      step(chunk);
      table.publish(chunk, newChunkAt(chunk, epoch), 1);
      step(chunk);
    } else if (kind === 1 && at === 2) {
      step(chunk);
      table.settle(chunk);
      step(chunk);
    } else if (kind === 2 && at === 4) {
      step(chunk);
      table.remove(chunk);
      step(chunk);
    }
  };
  awaitReaders();
  for (let i = 0; i < operations; i++) {
    // Mostly a few groups, so that their leaves are replaced and used again all the time; sometimes anywhere, so that memory grows.
    const region = next(16) === 0 ? chunks : hot;
    const first = next(region);
    const count = next(3) === 0 ? next(300) : next(6);
    const kind = next(3);
    const back = next(2) === 0;
    for (let n = 0; n <= count; n++) {
      const chunk = first + (back ? count - n : n);
      if (chunk < chunks) change(chunk, kind);
    }
  }
  table.verify();
  Atomics.store(control, 1, 1);
  return { generations: Atomics.load(viewOf(memory), TGEN_WORD), bytes: table.memoryBytes() };
}

/** Whether `state` and `newChunk` were the chunk's at some moment between the two phases. */
function possible(chunk, before, after, state, newChunk) {
  for (let phase = before; phase <= after; phase++) {
    const at = phase % 6;
    const states = [[0], [0, 1], [1], [1, 2], [2], [2, 0]][at];
    if (!states.includes(state)) continue;
    if (state === 0 || newChunk === newChunkAt(chunk, Math.floor(phase / 6))) return true;
  }
  return false;
}

/** Look one run up and check every chunk of it. */
function checkRun(reader, chunk, limit, before) {
  for (let i = 0; i < limit; i++) before[i] = Atomics.load(phases, chunk + i);
  const state = reader.lookup(chunk, limit);
  const { newChunk, runLength } = reader;
  for (let i = 0; i < runLength; i++) {
    const after = Atomics.load(phases, chunk + i);
    const good =
      possible(chunk + i, before[i], after, state, newChunk + i) ||
      // After the first chunk, visible and settled are the same.
      (i > 0 && state > 0 && possible(chunk + i, before[i], after, 3 - state, newChunk + i));
    if (!good)
      return `chunk ${chunk + i} of ${chunk}+${runLength}: state ${state}, new ${newChunk + i}, phases ${before[i]}..${after}`;
  }
  return undefined;
}

function checkSettled(reader, chunk, limit, before) {
  for (let i = 0; i < limit; i++) before[i] = Atomics.load(phases, chunk + i);
  const settled = reader.allSettled(chunk, limit);
  let always = true;
  let ever = true;
  for (let i = 0; i < limit; i++) {
    const after = Atomics.load(phases, chunk + i);
    if (after !== before[i] || after % 6 !== 4) always = false;
    let once = false;
    for (let phase = before[i]; phase <= after; phase++) if (phase % 6 >= 3) once = true;
    if (!once) ever = false;
  }
  if (settled ? ever : !always) return undefined;
  return `allSettled(${chunk}, ${limit}) is ${settled}`;
}

function ready() {
  Atomics.add(control, 0, 1);
  Atomics.notify(control, 0);
}

function awaitReaders() {
  for (let n = Atomics.load(control, 0); n < readers; n = Atomics.load(control, 0)) Atomics.wait(control, 0, n);
}

function reader() {
  const table = new TableReader(memory);
  const before = new Int32Array(32);
  let lookups = 0;
  let wrong;
  ready();
  while (wrong === undefined && Atomics.load(control, 1) === 0) {
    const chunk = next(next(16) === 0 ? chunks - 32 : hot - 32);
    const limit = next(2) === 0 ? 1 : 1 + next(32);
    wrong = next(4) === 0 ? checkSettled(table, chunk, limit, before) : checkRun(table, chunk, limit, before);
    lookups++;
  }
  return { lookups, wrong };
}

/** A reader that stops in the middle of a lookup until `tgen` has stepped, with or without C-3's second load of it. */
function slowReader() {
  let lookups = 0;
  let wrong;
  let words = viewOf(memory);
  ready();
  while (wrong === undefined && Atomics.load(control, 1) === 0) {
    const chunk = next(hot);
    const before = Atomics.load(phases, chunk);
    let state = 0;
    let newChunk = 0;
    for (let attempt = 0; ; attempt++) {
      const generation = Atomics.load(words, TGEN_WORD);
      const leaf = Atomics.load(words, DIRECTORY_WORD + Math.floor(chunk / GROUP_CHUNKS));
      words = viewOf(memory);
      while (attempt === 0 && Atomics.load(control, 1) === 0 && Atomics.load(words, TGEN_WORD) - generation < 2);
      const at = leaf === 0 ? 0 : findEntry(words, leaf, chunk % GROUP_CHUNKS);
      const b = at === 0 ? 0 : Atomics.load(words, at);
      state = covers(b, chunk % GROUP_CHUNKS) ? stateBits(b) : 0;
      if (state !== 0) newChunk = newChunkFrom(Atomics.load(words, at - 1), b) + (chunk % GROUP_CHUNKS) - offsetOf(b);
      if (!options.recheck || Atomics.load(words, TGEN_WORD) === generation) break;
    }
    // What it saw is wrong only if it was not true at any moment since the lookup began.
    if (!possible(chunk, before, Atomics.load(phases, chunk), state, newChunk))
      wrong = `chunk ${chunk}: state ${state}, new ${newChunk}`;
    lookups++;
  }
  return { lookups, wrong };
}

/**
 * Tracking: each bucket has a version. A reader tracks, takes the version, works, and finds that it has not been retired.
 * With `options.early` it takes the version before it tracks, as C-1 forbids.
 */
function tracker() {
  const tracking = new TrackingReader(new Int32Array(memory), 0);
  const versions = phases;
  const retired = new Int32Array(phaseMemory, phases.byteLength / 2);
  let lookups = 0;
  let wrong;
  ready();
  while (wrong === undefined && Atomics.load(control, 1) === 0) {
    const first = next(64 * 8);
    const count = 1 + next(100);
    const bucket = bucketOf(first);
    let version = options.early ? Atomics.load(versions, bucket) : 0;
    if (options.early) for (let spin = next(20_000); spin > 0; spin--) Atomics.load(control, 0);
    const parities = tracking.beginRange(first, count);
    if (!options.early) version = Atomics.load(versions, bucket);
    for (let spin = next(200); spin > 0; spin--) Atomics.load(control, 0);
    if (Atomics.load(retired, bucket) > version) wrong = `bucket ${bucket}: version ${version} is retired`;
    if (tracking.endRange(first, count, parities) !== 0) {
      Atomics.add(control, 2, 1);
      Atomics.notify(control, 2);
    }
    lookups++;
  }
  return { lookups, wrong };
}

/** C-24's two counters, waiting for DRAINED alone: a wake-up that got lost ends in `stuck`. */
function drainer() {
  const tracking = new Tracking(new Int32Array(memory), 0);
  const versions = phases;
  const retired = new Int32Array(phaseMemory, phases.byteLength / 2);
  let waits = 0;
  let stuck = false;
  const empty = (bucket, parity) => {
    while (!stuck && tracking.readers(bucket, parity) !== 0) {
      const seen = Atomics.load(control, 2);
      tracking.awaitDrain(bucket);
      if (tracking.readers(bucket, parity) === 0) break;
      waits++;
      if (Atomics.wait(control, 2, seen, 60_000) === "timed-out") stuck = true;
    }
    tracking.clearWaiting(bucket);
  };
  awaitReaders();
  // How often two threads meet is the machine's affair, so it goes on until they have met often enough.
  for (let i = 0; (i < operations || waits < (options.waits ?? 0)) && !stuck; i++) {
    const bucket = next(64);
    const version = Atomics.add(versions, bucket, 1) + 1;
    empty(bucket, 1 - tracking.parity(bucket));
    tracking.flip(bucket);
    empty(bucket, 1 - tracking.parity(bucket));
    Atomics.store(retired, bucket, version);
  }
  Atomics.store(control, 1, 1);
  return { waits, stuck };
}

const roles = { writer, reader, slowReader, tracker, drainer };
parentPort.postMessage(roles[role]());
