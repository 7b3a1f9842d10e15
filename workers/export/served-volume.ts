/**
 * An export worker's view of one volume: its origin, its gates and words, its snapshots, its exports, and the pieces that are parked at its gates.
 *
 *   engine          worker                      ServedVolume                     ServedSnapshot, by index
 *   volume 0 ─────▶ context.volumes[0] ───────▶ origin, words, exports ────────▶ table, words, COW device
 *   volume 1 ─────▶ context.volumes[1] ───────▶ …
 *
 * What belongs to the thread (ring, slots, records, connections) is in context.ts, once for all volumes. Messages name a volume by its number, and
 * what they name may be gone by then (C-19).
 *
 *   serving ──stop──▶ stopping: its exports are not found any more ──▶ no client, no request: VolumeStopped ──▶ forgotten
 */
import { assert } from "../../src/base/assert.ts";
import { ORIGIN_READ_GATE, ORIGIN_WRITE_GATE } from "../../src/base/gate-numbers.ts";
import type { GatePass } from "../../src/ring/gate.ts";
import { StopHow } from "../../src/ring/messages.ts";
import { VolumeReader } from "../../src/ring/volume-words.ts";
import type { VolumeDescription } from "../../src/ring/worker-data.ts";
import { DeviceView } from "./device-view.ts";
import type { Piece } from "./piece.ts";
import type { ServedSnapshot } from "./served-snapshot.ts";

export class ServedVolume {
  readonly number: number;
  readonly name: string;
  readonly words: VolumeReader;
  readonly origin: DeviceView;
  readonly originBytes: number;
  /** Discards leave what a snapshot needs as it is (E-19). */
  readonly keepsTrims: boolean;
  readonly originWritePass: GatePass;
  readonly originReadPass: GatePass;
  /** By snapshot index. */
  readonly snapshots: (ServedSnapshot | undefined)[] = [];
  /** Connections that have entered one of its exports, or can enter nothing else. */
  clients = 0;
  /** Request records of its exports that are in use. */
  requests = 0;
  /** Of the clients that were cut at the end: requests without an answer, or whose answer was not read, and clients that had some. */
  requestsCut = 0;
  clientsCut = 0;
  saidStopped = false;
  #stopping = false;
  #givesUp = false;
  #abandoned = false;
  readonly #parked = new Map<number, Piece[]>();

  /** `worker`: the number of this worker among its kind. */
  constructor(d: VolumeDescription, worker: number) {
    this.number = d.number;
    this.name = d.name;
    this.words = new VolumeReader(d.words, worker);
    this.origin = new DeviceView(d.origin);
    this.originBytes = d.originBytes;
    this.keepsTrims = d.keepsTrims;
    this.originWritePass = this.words.pass(ORIGIN_WRITE_GATE);
    this.originReadPass = this.words.pass(ORIGIN_READ_GATE);
  }

  snapshot(index: number): ServedSnapshot {
    const snapshot = this.snapshots[index];
    assert(snapshot !== undefined, "main names a snapshot that the worker was not told of");
    return snapshot;
  }

  /** It is being closed, or has failed: nobody enters its exports any more. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Nobody waits for what it has under way. */
  get givesUp(): boolean {
    return this.#givesUp;
  }

  /** Main answers nothing about it any more. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  stop(how: StopHow): void {
    this.#stopping = true;
    if (how !== StopHow.Drain) this.#givesUp = true;
    if (how === StopHow.Abandon) this.#abandoned = true;
  }

  /** Nothing of it is left: asked of one that was told to stop. */
  get isOver(): boolean {
    return this.clients === 0 && this.requests === 0;
  }

  park(piece: Piece, gate: number): void {
    const parked = this.#parked.get(gate);
    if (parked === undefined) this.#parked.set(gate, [piece]);
    else parked.push(piece);
  }

  /** The pieces that were parked at a gate; it has opened. */
  unpark(gate: number): readonly Piece[] {
    const parked = this.#parked.get(gate) ?? [];
    this.#parked.delete(gate);
    return parked;
  }
}
