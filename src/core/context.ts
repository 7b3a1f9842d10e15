/**
 * What the parts of the core share: the shell's ports, the options, the snapshots, and the operations under way.
 *
 * An operation (create, drop, merge, close, a drop of S-70 …) is a small state machine that is asked, at the end of every
 * event, whether it can go on. Nothing calls back across parts: a part changes records, operations look at them.
 */
import { assert } from "../base/assert.ts";
import { isWriteGate, snapshotOfGate } from "../base/gate-numbers.ts";
import type { Sector } from "../base/units.ts";
import type { CoreOptions } from "./core-options.ts";
import { Needs } from "./need.ts";
import type { Effects, GatePort, OriginPorts } from "./ports.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Operation {
  /** Go on if possible; true if anything has changed. */
  advance(): boolean;
  readonly done: boolean;
  /** It waits for a further order, so that a close need not wait for it: a merge that has stopped. */
  readonly isIdle?: boolean | undefined;
}

export class CoreContext {
  readonly effects: Effects;
  readonly origin: OriginPorts;
  readonly originSectors: Sector;
  readonly options: CoreOptions;
  readonly needs: Needs;
  /** By index. */
  readonly snapshots: (Snapshot | undefined)[] = [];
  /** Those that are listed, the largest chunk first (E-13). */
  listed: readonly Snapshot[] = [];
  readonly operations: Operation[] = [];
  /** Snapshots whose commit queue may have something to write. */
  readonly dirty: Snapshot[] = [];
  closing = false;
  /** Nobody waits any more for somebody to add room to a store. */
  stallsEnd = false;

  constructor(effects: Effects, origin: OriginPorts, originSectors: Sector, options: CoreOptions) {
    this.effects = effects;
    this.origin = origin;
    this.originSectors = originSectors;
    this.options = options;
    this.needs = new Needs(effects);
  }

  snapshot(index: number): Snapshot {
    const snapshot = this.snapshots[index];
    assert(snapshot !== undefined, "the snapshot is open");
    return snapshot;
  }

  markDirty(snapshot: Snapshot): void {
    assert(this.snapshots[snapshot.index] === snapshot, "only what is there has something to commit");
    if (snapshot.dirty) return;
    snapshot.dirty = true;
    this.dirty.push(snapshot);
  }

  /** Store the list; the origin's write gate is held (C-30). */
  relist(): void {
    const listed = this.snapshots.filter((snapshot) => snapshot?.isListed === true) as Snapshot[];
    // Of one size in the order of their indices, in which they are already: a sort is stable.
    listed.sort((a, b) => b.geometry.chunkSectors - a.geometry.chunkSectors);
    for (let i = 1; i < listed.length; i++) {
      const [before, after] = [listed[i - 1]!, listed[i]!];
      assert(before.geometry.chunkSectors >= after.geometry.chunkSectors, "the largest chunk comes first (E-13)");
      assert(before.index !== after.index, "a snapshot is listed once");
    }
    this.listed = listed;
    this.origin.setList(listed.map((snapshot) => snapshot.index));
  }

  /** The origin's, or those of a snapshot that is there. */
  hasGate(gate: number): boolean {
    const index = snapshotOfGate(gate);
    return index < 0 || this.snapshots[index] !== undefined;
  }

  gatePort(gate: number): GatePort {
    const index = snapshotOfGate(gate);
    const { writeGate, readGate } = index < 0 ? this.origin : this.snapshot(index).config.ports;
    return isWriteGate(gate) ? writeGate : readGate;
  }
}
