/**
 * How an export worker sees to it that every snapshot keeps what an origin write overwrites (C-10, E-13), on the fake shell.
 *
 *   not kept ──▶ one snapshot, one chunk without an exception, a chunk in reserve: fill it with the old data, ClaimOrigin
 *           └──▶ else NeedOrigin
 *
 * Either way the write looks again from the top afterwards.
 */
import { errno } from "../../../src/base/errno.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import type { ClientSteps, FakeShell, FakeSnapshot } from "./fake-shell.ts";

/** Settled in every snapshot that must keep it (C-10, 3.). */
export function isKept(shell: FakeShell, offset: number, length: number): boolean {
  return unkept(shell, offset, length).length === 0;
}

/** Have main see to it. */
export function* askToKeep(shell: FakeShell, offset: number, length: number): ClientSteps {
  const token = shell.token();
  shell.later(() => shell.core.needOrigin(token, offset / SECTOR_BYTES, length / SECTOR_BYTES));
  return (yield* shell.answer(token)).error;
}

/** Have it kept, by this worker if it can and `mayClaim`. EAGAIN: the claim was refused. */
export function* keep(shell: FakeShell, offset: number, length: number, mayClaim: boolean): ClientSteps {
  const needs = unkept(shell, offset, length);
  const [need] = needs;
  if (!mayClaim || needs.length !== 1 || need!.state !== EntryState.None)
    return yield* askToKeep(shell, offset, length);
  const { snapshot, chunk } = need!;
  const { ports } = snapshot;
  const gate = ports.writeGate;
  const number = 2 + 2 * snapshot.index;
  gate.count += 1;
  if (gate.closed) {
    shell.withdraw(gate, number);
    return yield* askToKeep(shell, offset, length);
  }
  gate.inside += 1;
  const reserve = ports.state === SnapshotState.Active ? shell.takeReserve(snapshot) : undefined;
  if (reserve === undefined) {
    shell.leave(gate, number);
    return yield* askToKeep(shell, offset, length);
  }
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  const start = chunk * chunkBytes;
  yield undefined;
  const read = shell.origin.read(start, Math.min(chunkBytes, shell.origin.bytes.length - start));
  yield undefined;
  const failed = read.error || snapshot.disk.write(reserve.chunk * chunkBytes, read.bytes);
  yield undefined;
  const token = shell.token();
  if (failed === 0) {
    shell.later(() => shell.core.claimOrigin(token, snapshot.index, chunk, reserve.chunk, reserve.epoch));
  }
  shell.leave(gate, number);
  const error = failed === 0 ? (yield* shell.answer(token)).error : errno.EAGAIN;
  if (error === errno.EAGAIN) shell.reserves.get(snapshot.index)?.push(reserve);
  return error;
}

interface Unkept {
  readonly snapshot: FakeSnapshot;
  readonly chunk: number;
  readonly state: EntryState;
}

/** What is not settled in a snapshot that must keep it. */
function unkept(shell: FakeShell, offset: number, length: number): readonly Unkept[] {
  const found: Unkept[] = [];
  for (const index of shell.originPorts.list) {
    const snapshot = shell.snapshots.get(index)!;
    const { ports, chunkSectors } = snapshot;
    if (ports.state !== SnapshotState.Active && ports.state !== SnapshotState.Overflow) continue;
    const chunkBytes = chunkSectors * SECTOR_BYTES;
    for (let chunk = Math.floor(offset / chunkBytes); chunk * chunkBytes < offset + length; chunk++) {
      const state = ports.table.stateOf(chunk);
      if (state !== EntryState.Settled) found.push({ snapshot, chunk, state });
    }
  }
  return found;
}
