/**
 * What an export worker does for a client, step by step as protocol.md has it (C-1…C-5, C-10…C-14, C-39), on the fake shell.
 *
 * Every `yield` is a place where another request or main may run. Errors are error numbers; ENOSPC of E-8 stays ENOSPC.
 */
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import { askToKeep, isKept, keep } from "./fake-keeper.ts";
import type { ClientSteps, FakeShell, FakeSnapshot, Wait } from "./fake-shell.ts";
import type { FakeGate } from "./fake-ports.ts";

/** One piece of a request covers at most this much. */
const PIECE_BYTES = 1024 * 1024;

type Steps<T> = Generator<Wait | undefined, T, void>;

/** Enter a gate: announce first, then look (C-10). */
function* enter(shell: FakeShell, gate: FakeGate, number: number): Steps<void> {
  for (;;) {
    gate.count += 1;
    yield undefined;
    if (!gate.closed) {
      gate.inside += 1;
      return;
    }
    shell.withdraw(gate, number);
    yield () => !gate.closed;
  }
}

function snapshotGates(snapshot: FakeSnapshot): { readonly write: number; readonly read: number } {
  return { write: 2 + 2 * snapshot.index, read: 3 + 2 * snapshot.index };
}

// ---- the origin ----

/** `data` undefined: a discard, which is a write of zeroes on the origin (E-16). */
export function* originWrite(shell: FakeShell, offset: number, data: Uint8Array, fua = false): ClientSteps {
  for (let at = 0; at < data.length; at += PIECE_BYTES) {
    const piece = data.subarray(at, at + PIECE_BYTES);
    const error = yield* originPiece(shell, offset + at, piece, fua);
    if (error !== 0) return error;
  }
  return 0;
}

function* originPiece(shell: FakeShell, offset: number, data: Uint8Array, fua: boolean): ClientSteps {
  const { originPorts } = shell;
  let mayClaim = true;
  for (;;) {
    yield* enter(shell, originPorts.writeGate, 0);
    if (originPorts.merging >= 0) {
      const snapshot = shell.snapshots.get(originPorts.merging)!;
      const outcome = yield* mergingWrite(shell, snapshot, offset, data, originPorts.writeGate, 0, fua);
      if (outcome !== "again") return outcome;
      continue;
    }
    if (!isKept(shell, offset, data.length)) {
      shell.leave(originPorts.writeGate, 0);
      const error: number = yield* keep(shell, offset, data.length, mayClaim);
      mayClaim = error !== errno.EAGAIN;
      if (error !== 0 && mayClaim) return error;
      continue;
    }
    yield undefined;
    const error = shell.origin.write(offset, data, fua);
    yield undefined;
    shell.leave(originPorts.writeGate, 0);
    return error;
  }
}

/** A write that must be alone in its gate: it reads, modifies and writes (the merging volume has none here). */
export function* exclusiveOriginWrite(shell: FakeShell, offset: number, data: Uint8Array): ClientSteps {
  const { originPorts } = shell;
  const token = shell.token();
  shell.later(() => shell.core.needExclusive(token, 0));
  yield* shell.exclusive(token);
  const end = (): void => {
    originPorts.writeGate.inside -= 1;
    shell.later(() => shell.core.exclusiveDone(token, 0));
  };
  originPorts.writeGate.inside += 1;
  if (originPorts.merging >= 0) {
    end();
    return yield* originWrite(shell, offset, data);
  }
  while (!isKept(shell, offset, data.length)) {
    const error = yield* askToKeep(shell, offset, data.length);
    if (error !== 0) {
      end();
      return error;
    }
  }
  yield undefined;
  const error = shell.origin.write(offset, data);
  yield undefined;
  end();
  return error;
}

export function* originRead(shell: FakeShell, offset: number, into: Uint8Array): ClientSteps {
  const { originPorts } = shell;
  yield* enter(shell, originPorts.readGate, 1);
  let error = 0;
  if (originPorts.merging >= 0) {
    error = yield* mergingRead(shell, shell.snapshots.get(originPorts.merging)!, offset, into);
  } else {
    const read = shell.origin.read(offset, into.length);
    into.set(read.bytes);
    error = read.error;
  }
  yield undefined;
  shell.leave(originPorts.readGate, 1);
  return error;
}

export function* originFlush(shell: FakeShell): ClientSteps {
  yield undefined;
  const { merging } = shell.originPorts;
  const error = shell.origin.flush();
  if (merging < 0) return error;
  return error || shell.snapshots.get(merging)!.disk.flush();
}

// ---- the merging volume (C-39); the caller has entered the gate ----

function* mergingWrite(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  offset: number,
  data: Uint8Array,
  gate: FakeGate,
  number: number,
  fua: boolean,
): Steps<number | "again"> {
  const { ports } = snapshot;
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  const merged = (chunk: number): boolean =>
    ports.range.some(({ first, count }) => chunk >= first && chunk < first + count);
  if (chunkPieces(offset, data.length, chunkBytes).some(({ chunk }) => merged(chunk))) {
    shell.leave(gate, number);
    const token = shell.token();
    shell.later(() => shell.core.needRange(token, snapshot.index));
    const { error } = yield* shell.answer(token);
    return error === 0 ? "again" : error;
  }
  for (const piece of chunkPieces(offset, data.length, chunkBytes)) {
    if (ports.table.stateOf(piece.chunk) === EntryState.None && !isKept(shell, piece.offset, piece.length)) {
      shell.leave(gate, number);
      const error = yield* askToKeep(shell, piece.offset, piece.length);
      return error === 0 ? "again" : error;
    }
  }
  // Looked up before anything is written: the gate is entered, so no range can appear meanwhile.
  const places = chunkPieces(offset, data.length, chunkBytes).map((piece) => ({
    piece,
    ...place(snapshot, piece, chunkBytes),
  }));
  let failed = 0;
  for (const { piece, device, position } of places) {
    yield undefined;
    const part = data.subarray(piece.offset - offset, piece.offset - offset + piece.length);
    failed ||= shell.disk(device).write(position, part, fua);
  }
  yield undefined;
  shell.leave(gate, number);
  return failed;
}

function* mergingRead(shell: FakeShell, snapshot: FakeSnapshot, offset: number, into: Uint8Array): ClientSteps {
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  for (const piece of chunkPieces(offset, into.length, chunkBytes)) {
    const { device, position } = place(snapshot, piece, chunkBytes);
    yield undefined;
    const read = shell.disk(device).read(position, piece.length);
    if (read.error !== 0) return read.error;
    into.set(read.bytes, piece.offset - offset);
  }
  return 0;
}

function place(
  snapshot: FakeSnapshot,
  piece: Piece,
  chunkBytes: number,
): { readonly device: number; readonly position: number } {
  const { table } = snapshot.ports;
  if (table.stateOf(piece.chunk) === EntryState.None) return { device: 0, position: piece.offset };
  return {
    device: 1 + snapshot.index,
    position: table.newChunkOf(piece.chunk) * chunkBytes + (piece.offset % chunkBytes),
  };
}

// ---- a snapshot ----

export function* snapshotRead(shell: FakeShell, snapshot: FakeSnapshot, offset: number, into: Uint8Array): ClientSteps {
  const { ports } = snapshot;
  const { read } = snapshotGates(snapshot);
  yield* enter(shell, ports.readGate, read);
  let error = 0;
  if (ports.state === SnapshotState.Merging) {
    error = yield* mergingRead(shell, snapshot, offset, into);
  } else {
    for (const piece of chunkPieces(offset, into.length, snapshot.chunkSectors * SECTOR_BYTES)) {
      error ||= yield* readPiece(
        shell,
        snapshot,
        piece,
        into.subarray(piece.offset - offset, piece.offset - offset + piece.length),
      );
    }
  }
  shell.leave(ports.readGate, read);
  return error;
}

/** Track, look up, read, look at the state again, and end the tracking (C-1, C-2, C-3, C-4, C-5). */
function* readPiece(shell: FakeShell, snapshot: FakeSnapshot, piece: Piece, into: Uint8Array): ClientSteps {
  const { ports, chunkSectors } = snapshot;
  const { tracking, table } = ports;
  const bucket = tracking.bucketOf(piece.chunk);
  const parity = tracking.parity(bucket);
  yield undefined;
  tracking.counters[bucket]![parity]! += 1;
  const end = (): void => {
    if (--tracking.counters[bucket]![parity]! > 0 || !tracking.waiting[bucket]) return;
    tracking.waiting[bucket] = false;
    shell.later(() => shell.core.drained(snapshot.index, bucket));
  };
  yield undefined;
  if (ports.state === SnapshotState.Invalid || ports.state === SnapshotState.Absent) {
    end();
    return errno.EIO;
  }
  if (table.stateOf(piece.chunk) !== EntryState.None) {
    const chunkBytes = chunkSectors * SECTOR_BYTES;
    const position = table.newChunkOf(piece.chunk) * chunkBytes + (piece.offset % chunkBytes);
    end();
    yield undefined;
    const read = snapshot.disk.read(position, piece.length);
    into.set(read.bytes);
    return read.error;
  }
  yield undefined;
  const read = shell.origin.read(piece.offset, piece.length);
  into.set(read.bytes);
  yield undefined;
  const invalid = (ports.state as SnapshotState) === SnapshotState.Invalid;
  end();
  return invalid ? errno.EIO : read.error;
}

/** `fua`: C-14. */
export function* snapshotWrite(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  offset: number,
  data: Uint8Array,
  fua = false,
): ClientSteps {
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  for (const piece of chunkPieces(offset, data.length, chunkBytes)) {
    const part = data.subarray(piece.offset - offset, piece.offset - offset + piece.length);
    const error = yield* writePiece(shell, snapshot, piece, part, fua);
    if (error !== 0) return error;
  }
  if (!fua) return 0;
  const error = yield* awaitDurable(shell, snapshot);
  if (error !== 0) return error;
  return (snapshot.ports.state as SnapshotState) === SnapshotState.Invalid ? errno.EIO : 0;
}

/** A write of one chunk of a snapshot: to the COW device, or first a need (C-12). */
function* writePiece(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  piece: Piece,
  data: Uint8Array,
  fua: boolean,
): ClientSteps {
  const { ports, chunkSectors, disk } = snapshot;
  const chunkBytes = chunkSectors * SECTOR_BYTES;
  const { write } = snapshotGates(snapshot);
  let mayClaim = true;
  for (;;) {
    yield* enter(shell, ports.writeGate, write);
    if (ports.state === SnapshotState.Merging) {
      const outcome = yield* mergingWrite(shell, snapshot, piece.offset, data, ports.writeGate, write, fua);
      if (outcome !== "again") return outcome;
      continue;
    }
    if (ports.state !== SnapshotState.Active) {
      shell.leave(ports.writeGate, write);
      return errno.EIO;
    }
    if (ports.table.stateOf(piece.chunk) !== EntryState.None) {
      const position = ports.table.newChunkOf(piece.chunk) * chunkBytes + (piece.offset % chunkBytes);
      yield undefined;
      const error = disk.write(position, data, fua);
      yield undefined;
      shell.leave(ports.writeGate, write);
      return error;
    }
    const reserve = mayClaim ? shell.takeReserve(snapshot) : undefined;
    if (reserve !== undefined) {
      const error = yield* claimedWrite(shell, snapshot, piece, data, reserve, fua);
      if (error !== errno.EAGAIN) return error;
      mayClaim = false;
      continue;
    }
    shell.leave(ports.writeGate, write);
    const token = shell.token();
    const whole = data.length === chunkBytes;
    shell.later(() =>
      shell.core.needChunk(token, snapshot.index, piece.chunk, whole ? ChunkNeed.Whole : ChunkNeed.Fill),
    );
    const { error, grantedChunk } = yield* shell.answer(token);
    if (grantedChunk >= 0) {
      const end = yield* grantedWrite(shell, snapshot, piece, data, token, grantedChunk, fua);
      if (end !== errno.EAGAIN) return end;
    } else if (error !== 0) return error;
  }
}

/** A reserved chunk is filled inside the write gate, then claimed; EAGAIN: somebody else has made the exception. */
function* claimedWrite(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  piece: Piece,
  data: Uint8Array,
  reserve: { readonly chunk: number; readonly epoch: number },
  fua: boolean,
): ClientSteps {
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  const start = piece.chunk * chunkBytes;
  yield undefined;
  const read = shell.origin.read(start, Math.min(chunkBytes, shell.origin.bytes.length - start));
  read.bytes.set(data, piece.offset - start);
  yield undefined;
  const failed = read.error || snapshot.disk.write(reserve.chunk * chunkBytes, read.bytes, fua);
  yield undefined;
  const token = shell.token();
  if (failed === 0) {
    shell.later(() => shell.core.claim(token, snapshot.index, piece.chunk, reserve.chunk, reserve.epoch));
  }
  shell.leave(snapshot.ports.writeGate, snapshotGates(snapshot).write);
  if (failed !== 0) return errno.EIO;
  const { error } = yield* shell.answer(token);
  if (error === errno.EAGAIN) shell.reserves.get(snapshot.index)?.push(reserve);
  return error;
}

/** E-6; of a part of a chunk, the rest comes from the origin. */
function* grantedWrite(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  piece: Piece,
  data: Uint8Array,
  token: number,
  newChunk: number,
  fua: boolean,
): ClientSteps {
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  const start = piece.chunk * chunkBytes;
  const length = Math.min(chunkBytes, shell.origin.bytes.length - start);
  yield undefined;
  const read = data.length === length ? { error: 0, bytes: data } : shell.origin.read(start, length);
  const bytes = read.bytes.slice();
  bytes.set(data, piece.offset - start);
  yield undefined;
  const error = read.error || snapshot.disk.write(newChunk * chunkBytes, bytes, fua);
  shell.later(() => shell.core.written(snapshot.index, piece.chunk, error));
  return (yield* shell.answer(token)).error;
}

/** C-13, steps 1 and 2. */
function* awaitDurable(shell: FakeShell, snapshot: FakeSnapshot): ClientSteps {
  const { ports } = snapshot;
  const { visible } = ports;
  yield undefined;
  if (((visible - ports.durable) | 0) <= 0) return 0;
  const token = shell.token();
  shell.later(() => shell.core.needDurable(token, snapshot.index, visible));
  return (yield* shell.answer(token)).error;
}

/** Everything visible durable, and only then the flush of the COW device (C-13). */
export function* snapshotFlush(shell: FakeShell, snapshot: FakeSnapshot): ClientSteps {
  const { ports } = snapshot;
  if (ports.state === SnapshotState.Invalid) return errno.EIO;
  const failed = yield* awaitDurable(shell, snapshot);
  if (failed !== 0) return failed;
  yield undefined;
  const merging = ports.state === SnapshotState.Merging;
  const error = snapshot.disk.flush() || (merging ? shell.origin.flush() : 0);
  yield undefined;
  return (ports.state as SnapshotState) === SnapshotState.Invalid ? errno.EIO : error;
}

// ---- pieces ----

export interface Piece {
  readonly chunk: number;
  readonly offset: number;
  readonly length: number;
}

/** A range cut at chunk borders, in ascending order. */
export function chunkPieces(offset: number, length: number, chunkBytes: number): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let at = offset; at < offset + length; ) {
    const chunk = Math.floor(at / chunkBytes);
    const end = Math.min(offset + length, (chunk + 1) * chunkBytes);
    pieces.push({ chunk, offset: at, length: end - at });
    at = end;
  }
  return pieces;
}
