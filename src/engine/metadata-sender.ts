/**
 * Turns the core's metadata jobs into steps for the metadata worker, with their images in its arena.
 *
 *   core: commit(bytes) ─▶ copy into image slots ─▶ MetadataBegin, MetadataStep … ─▶ worker ─▶ MetadataDone ─▶ slots free
 *
 *   format   zero header chunk and area 0 │ flush │ header (FUA)                  S-31
 *   header   header (FUA)                                                         S-70
 *   commit   zero next area │ flush │ changed blocks of the area (FUA)            S-53
 *   flush    flush
 *   readArea read into slots, copied out, and again until the area is whole          S-60
 *
 * Bytes that are all zero take no slot. A job that finds too few free slots waits, and those of its volume behind it. One sender serves all volumes
 * whose stores are written by its worker: while there are several, none has more than half of the slots, unless for one job alone. So one whose device
 * does not answer leaves the others the rest.
 */
import { assert } from "../base/assert.ts";
import type { DeviceId, MetadataJob } from "../core/ports.ts";
import { IoOp } from "../ring/io-descriptor.ts";
import { Message } from "../ring/messages.ts";
import { METADATA_SLOT_BYTES, METADATA_SLOTS, metadataSlotAddress } from "../ring/metadata-arena.ts";
import { MetadataBegin, MetadataStep } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";

/** The volume whose job it is. */
export interface MetadataClient {
  readonly volume: number;
  /** The number of its device in every ring. */
  fileOf(device: DeviceId): number;
  /** The job's end; `bytes` only where it read an area. */
  metadataDone(job: MetadataJob, error: number, bytes: Uint8Array | undefined): void;
}

interface Step {
  readonly operation: IoOp;
  readonly position: number;
  readonly bytes: number;
  /** -1: zeroes. */
  readonly address: number;
  readonly durable: boolean;
}

/** Of one volume beside others. */
const SHARE_SLOTS_MAX: number = METADATA_SLOTS / 2;

/** A read of an area takes no more slots than this at a time: an area may have a gibibyte, and others want slots as well. */
const READ_SLOTS_MAX: number = METADATA_SLOTS / 2;

interface Sent {
  readonly client: MetadataClient;
  readonly job: MetadataJob;
  readonly slots: number[];
  /** What has been read of an area, and how much that is. */
  readonly area: Uint8Array | undefined;
  read: number;
}

export class MetadataSender {
  readonly #channel: Channel;
  readonly #isShared: () => boolean;
  readonly #arena: Uint8Array;
  readonly #free: number[] = Array.from({ length: METADATA_SLOTS }, (_, i) => METADATA_SLOTS - 1 - i);
  readonly #sent = new Map<number, Sent>();
  /** Slots that each volume has, by its number. */
  readonly #held: number[] = [];
  /** Jobs that wait for slots, oldest first; their bytes have been copied aside. */
  readonly #waiting: { readonly client: MetadataClient; readonly job: MetadataJob }[] = [];
  #nextId = 1;

  /** `isShared`: several volumes are its clients. */
  constructor(channel: Channel, isShared: () => boolean) {
    this.#channel = channel;
    this.#isShared = isShared;
    this.#arena = new Uint8Array(channel.arena);
  }

  send(client: MetadataClient, job: MetadataJob): void {
    if (this.#waits(client) || !this.#fits(client, job)) {
      assert(slotsNeeded(job) <= METADATA_SLOTS, "metadata job is larger than the arena");
      this.#waiting.push({ client, job: job.kind === "commit" ? { ...job, bytes: job.bytes.slice() } : job });
      return;
    }
    this.#sendNow(client, job);
  }

  /** The worker's answer. */
  done(id: number, error: number): void {
    const sent = this.#sent.get(id) as Sent;
    if (sent.job.kind === "readArea" && error === 0) {
      this.#gather(sent);
      if (sent.read < sent.job.length) return this.#transmit(id, sent, readSteps(sent, sent.job));
    }
    this.#sent.delete(id);
    this.#free.push(...sent.slots);
    this.#hold(sent.client, -sent.slots.length);
    this.#sendWaiting();
    sent.client.metadataDone(sent.job, error, error === 0 ? sent.area : undefined);
  }

  #waits({ volume }: MetadataClient): boolean {
    return this.#waiting.some(({ client }) => client.volume === volume);
  }

  #fits({ volume }: MetadataClient, job: MetadataJob): boolean {
    const needed = slotsNeeded(job);
    if (needed > this.#free.length) return false;
    const held = this.#held[volume] ?? 0;
    return held === 0 || held + needed <= SHARE_SLOTS_MAX || !this.#isShared();
  }

  /** Whoever comes first goes first, but for a volume that has its share already. */
  #sendWaiting(): void {
    for (const next of this.#waiting.splice(0)) {
      if (this.#waits(next.client) || !this.#fits(next.client, next.job)) this.#waiting.push(next);
      else this.#sendNow(next.client, next.job);
    }
  }

  #hold({ volume }: MetadataClient, more: number): void {
    this.#held[volume] = (this.#held[volume] ?? 0) + more;
    assert(this.#held[volume] >= 0, "a volume gave back more slots than it had");
  }

  #sendNow(client: MetadataClient, job: MetadataJob): void {
    const area = job.kind === "readArea" ? new Uint8Array(job.length) : undefined;
    const sent: Sent = { client, job, slots: [], area, read: 0 };
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) & 0x3fff_ffff;
    this.#sent.set(id, sent);
    const steps = this.#steps(job, sent);
    this.#hold(client, sent.slots.length);
    this.#transmit(id, sent, steps);
  }

  #transmit(id: number, { client, job }: Sent, steps: readonly Step[]): void {
    const { outbox } = this.#channel;
    const device = job.kind === "flush" ? job.device : 1 + job.snapshot;
    const { volume } = client;
    const { words } = outbox;
    const file = client.fileOf(device);
    const begun = outbox.begin(Message.MetadataBegin, volume, id);
    MetadataBegin.file.set(words, begun, file);
    MetadataBegin.steps.set(words, begun, steps.length);
    MetadataBegin.shared.set(words, begun, this.#isShared());
    for (const step of steps) {
      const at = outbox.begin(Message.MetadataStep, volume, id);
      MetadataStep.operation.set(words, at, step.operation);
      MetadataStep.position.set(words, at, step.position);
      MetadataStep.bytes.set(words, at, step.bytes);
      MetadataStep.address.set(words, at, step.address);
      MetadataStep.durable.set(words, at, step.durable);
    }
  }

  #steps(job: MetadataJob, sent: Sent): Step[] {
    const { slots } = sent;
    switch (job.kind) {
      case "format":
        return [zeroStep(0, 2 * job.chunkBytes), FLUSH, ...this.#write(0, job.header, slots)];
      case "header":
        return this.#write(0, job.header, slots);
      case "commit": {
        const zero = job.zeroArea === -1 ? [] : [zeroStep(job.zeroPosition, job.zeroBytes)];
        return [...zero, FLUSH, ...this.#write(job.position, job.bytes, slots)];
      }
      case "flush":
        return [FLUSH];
      case "readArea":
        for (let i = slotsNeeded(job); i > 0; i--) this.#take(slots);
        return readSteps(sent, job);
    }
  }

  /** Durable writes of `bytes`, slot by slot; zeroes need no slot. */
  #write(position: number, bytes: Uint8Array, slots: number[]): Step[] {
    const steps: Step[] = [];
    for (let at = 0; at < bytes.length; at += METADATA_SLOT_BYTES) {
      const part = bytes.subarray(at, Math.min(bytes.length, at + METADATA_SLOT_BYTES));
      let address = -1;
      if (!isZero(part)) {
        address = this.#take(slots);
        this.#arena.set(part, address);
      }
      steps.push({ operation: IoOp.Write, position: position + at, bytes: part.length, address, durable: true });
    }
    return steps;
  }

  #take(slots: number[]): number {
    const slot = this.#free.pop();
    assert(slot !== undefined, "no free image slot");
    slots.push(slot);
    return metadataSlotAddress(slot);
  }

  /** What the slots have got now. */
  #gather(sent: Sent): void {
    const area = sent.area as Uint8Array;
    for (const slot of sent.slots) {
      const from = metadataSlotAddress(slot);
      const part = Math.min(METADATA_SLOT_BYTES, area.length - sent.read);
      area.set(this.#arena.subarray(from, from + part), sent.read);
      sent.read += part;
    }
  }
}

/** The next part of an area, as much as its slots take. */
function readSteps({ slots, read }: Sent, { position, length }: Extract<MetadataJob, { kind: "readArea" }>): Step[] {
  const steps: Step[] = [];
  for (const slot of slots) {
    const at = read + steps.length * METADATA_SLOT_BYTES;
    if (at >= length) break;
    const bytes = Math.min(METADATA_SLOT_BYTES, length - at);
    const address = metadataSlotAddress(slot);
    steps.push({ operation: IoOp.Read, position: position + at, bytes, address, durable: false });
  }
  return steps;
}

const FLUSH: Step = { operation: IoOp.Sync, position: 0, bytes: 0, address: 0, durable: false };

function zeroStep(position: number, bytes: number): Step {
  return { operation: IoOp.Write, position, bytes, address: -1, durable: false };
}

/** Image slots of a job: parts of what is written that are all zero take none. */
function slotsNeeded(job: MetadataJob): number {
  if (job.kind === "readArea") return Math.min(READ_SLOTS_MAX, Math.ceil(job.length / METADATA_SLOT_BYTES));
  if (job.kind === "flush") return 0;
  const bytes = job.kind === "commit" ? job.bytes : job.header;
  let slots = 0;
  for (let at = 0; at < bytes.length; at += METADATA_SLOT_BYTES) {
    if (!isZero(bytes.subarray(at, at + METADATA_SLOT_BYTES))) slots += 1;
  }
  return slots;
}

const ZEROES = Buffer.alloc(METADATA_SLOT_BYTES);

function isZero(bytes: Uint8Array): boolean {
  return ZEROES.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
