/**
 * Copies that wait for segments: in the order in which they came among those of the same COW device, and a lane for those of several.
 *
 *   lanes, in turns    several  ▓▓▓▓▓▓▓▓     one reads the origin, all write
 *                      a        ▓▓▓▓▓▓▓▓▓▓▓  has no more segments: the others go on
 *                      b        ▓▓▓
 *
 * Where most of what is common is held by devices that are slow, copies for several of them are taken apart: each device has a
 * stretch of its own in its own lane, and reads the origin by itself (E-18).
 */
import { MANY_DEVICES, type SegmentedCopy } from "./segmented-copy.ts";
import { CopyStretch } from "./copy-stretch.ts";

export interface CopyLane {
  readonly device: number;
  /** Oldest first. */
  readonly stretches: CopyStretch[];
}

export class CopyQueue {
  readonly #several: CopyLane = { device: MANY_DEVICES, stretches: [] };
  readonly #ofDevice: (CopyLane | undefined)[] = [];
  /** Those that have something to begin, the one whose turn it is first. */
  readonly #lanes: CopyLane[] = [];
  readonly #spare: CopyStretch[] = [];
  #apart = false;

  get isEmpty(): boolean {
    return this.#lanes.length === 0;
  }

  /** Copies for several devices wait for a common segment. */
  get severalWait(): boolean {
    return this.#several.stretches.length > 0;
  }

  /** Copies for several devices go, or do not go, by device from now on. */
  setApart(apart: boolean): void {
    this.#apart = apart;
    if (!apart || !this.severalWait) return;
    const { stretches } = this.#several;
    this.#lanes.splice(this.#lanes.indexOf(this.#several), 1);
    for (const stretch of stretches) this.#takeApart(stretch);
    stretches.length = 0;
  }

  add(job: SegmentedCopy): void {
    const stretch = this.#spare.pop() ?? new CopyStretch();
    stretch.begin(job);
    if (stretch.device === MANY_DEVICES && this.#apart) this.#takeApart(stretch);
    else this.#push(stretch);
  }

  /**
   * Begin what can be begun: `begin` takes as many segments for a stretch as there are, and leaves it over or not. A lane that finds none is left
   * out until the next time.
   */
  begin(begin: (stretch: CopyStretch) => void): void {
    const lanes = this.#lanes;
    for (let at = 0; at < lanes.length; ) {
      const lane = lanes[at]!;
      const stretch = lane.stretches[0]!;
      begin(stretch);
      if (!stretch.isOver) {
        at += 1;
        continue;
      }
      lane.stretches.shift();
      this.#give(stretch);
      lanes.splice(at, 1);
      if (lane.stretches.length > 0) lanes.push(lane);
    }
  }

  /** None of them is begun. */
  clear(): void {
    for (const { stretches } of this.#lanes) stretches.length = 0;
    this.#lanes.length = 0;
  }

  #takeApart(stretch: CopyStretch): void {
    let left = stretch.targets;
    const job = stretch.job as SegmentedCopy;
    for (let t = 0; t < job.targetCount; t++) {
      if ((left & (1 << t)) === 0) continue;
      const part = this.#spare.pop() ?? new CopyStretch();
      part.beginPart(stretch, t);
      left &= ~part.targets;
      if (part.isOver) this.#give(part);
      else this.#push(part);
    }
    this.#give(stretch);
  }

  #give(stretch: CopyStretch): void {
    stretch.over();
    this.#spare.push(stretch);
  }

  #push(stretch: CopyStretch): void {
    const lane = this.#laneOf(stretch.device);
    if (lane.stretches.length === 0) this.#lanes.push(lane);
    lane.stretches.push(stretch);
  }

  #laneOf(device: number): CopyLane {
    if (device === MANY_DEVICES) return this.#several;
    return (this.#ofDevice[device] ??= { device, stretches: [] });
  }
}
