/**
 * The loop of a copy worker: reads a range of one device and writes parts of it to others (E-5, E-13, E-18, C-35).
 *
 *   main                      copy worker
 *   CopyRead, CopyWrite… ────▶ job: [from ……………………………… to)
 *                               segment: read ─▶ write target 0, write target 1 … ─▶ next segment
 *   ◀───────────── Copied ──── every segment is over
 *
 * A job longer than a slot goes in segments, up to the slots that are free; jobs wait in order when no slot is. A failed read
 * fails the job, a failed write only its target. The worker decides nothing: it moves bytes.
 */
import { assert, AssertionFailure } from "../../src/base/assert.ts";
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import { errno } from "../../src/base/errno.ts";
import { Pool } from "../../src/base/pool.ts";
import type { IoRing } from "../../src/device/port.ts";
import { COMPLETION_WORDS, IoOp } from "../../src/ring/io-descriptor.ts";
import { WorkerCounter } from "../../src/ring/counters.ts";
import { SEGMENT_BYTES } from "../../src/ring/copy-arena.ts";
import { kindOf, tokenOf } from "../../src/ring/message-field.ts";
import { Message, StopHow } from "../../src/ring/messages.ts";
import type { Outbox } from "../../src/ring/outbox.ts";
import type { RingConsumer } from "../../src/ring/spsc-ring.ts";
import { Submissions } from "../../src/ring/submissions.ts";
import { Copied } from "../../src/ring/to-main.ts";
import { CopyRead, CopyWrite, Stop } from "../../src/ring/to-workers.ts";
import type { WorkerLoop } from "../drive.ts";
import { takeControl } from "../refused.ts";
import { sayStopped } from "../stopped.ts";
import { WakeUp } from "../wake-up.ts";
import { SegmentedCopy } from "./segmented-copy.ts";
import { CopySegment } from "./copy-segment.ts";

const USER_WAKE = 0x7fff_ffff;
/** A user word: segment index, and target + 1, or 0 for the read. */
const TARGET_BITS = 5;
const TARGET_MASK: number = (1 << TARGET_BITS) - 1;

export interface CopyLoopParts {
  readonly ring: IoRing;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly counters: Float64Array;
  /** Arena address of 8 bytes. */
  readonly wakeAddress: number;
  /** Arena address of `segments` × SEGMENT_BYTES, page-aligned. */
  readonly slots: number;
  readonly segments: number;
  readonly control: () => void;
}

export class CopyLoop implements WorkerLoop {
  readonly submissions: Submissions;
  readonly counters: Float64Array;
  readonly #ring: IoRing;
  readonly #inbox: RingConsumer;
  readonly #outbox: Outbox;
  readonly #control: () => void;
  readonly #wakeUp: WakeUp;
  readonly #segments: Pool<CopySegment>;
  /** Jobs that have segments to begin, oldest first. */
  readonly #queue: SegmentedCopy[] = [];
  readonly #spare: SegmentedCopy[] = [];
  #underWay = 0;
  #stopping = false;
  /** Main takes nothing more. */
  #abandoned = false;
  #saidStopped = false;
  #ended = false;
  #backlog = false;

  constructor(parts: CopyLoopParts) {
    this.submissions = new Submissions(parts.ring.submissions);
    this.counters = parts.counters;
    this.#ring = parts.ring;
    this.#inbox = parts.inbox;
    this.#outbox = parts.outbox;
    this.#control = parts.control;
    this.#wakeUp = new WakeUp(this.submissions, USER_WAKE, parts.wakeAddress);
    this.#segments = new Pool(parts.segments, (i) => new CopySegment(i, parts.slots + i * SEGMENT_BYTES));
  }

  get ended(): boolean {
    return this.#ended;
  }

  step(completions: number): void {
    const words = this.#ring.completions;
    for (let i = 0; i < completions; i++) {
      const user = words[i * COMPLETION_WORDS];
      if (user === USER_WAKE) this.#wakeUp.fired();
      else this.#completed(user, words[i * COMPLETION_WORDS + 1]);
    }
    this.#takeMessages();
    this.#beginSegments();
    this.#backlog = this.#outbox.flush() && !this.#abandoned;
    this.#wakeUp.arm();
    if (this.#stopping && this.#underWay === 0 && this.#queue.length === 0) this.#end();
  }

  prepareSleep(): boolean {
    return !this.#backlog && this.#inbox.prepareSleep();
  }

  awake(): void {
    this.#inbox.awake();
  }

  #takeMessages(): void {
    const { words } = this.#inbox;
    for (let at = this.#inbox.peek(); at >= 0; at = this.#inbox.peek()) {
      this.#message(words, at);
      this.#inbox.advance();
    }
  }

  #message(words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case Message.CopyRead:
        return this.#addJob(words, at);
      case Message.CopyWrite:
        return this.#addTarget(words, at);
      case Message.Control:
        return takeControl(this.#outbox, words, at, this.#control);
      case Message.Stop:
        this.#stopping = true;
        if (Stop.how.get(words, at) === StopHow.Abandon) this.#abandon();
        return;
      default:
        throw new AssertionFailure(`unknown message ${kindOf(words, at)} from main`);
    }
  }

  #addJob(words: Int32Array, at: number): void {
    const job = this.#spare.pop() ?? new SegmentedCopy();
    const file = CopyRead.file.get(words, at);
    const position = CopyRead.position.get(words, at);
    job.begin(tokenOf(words, at), file, position, CopyRead.bytes.get(words, at), CopyRead.targets.get(words, at));
    this.#queue.push(job);
  }

  /** The job that a target belongs to is the one that came last. */
  #addTarget(words: Int32Array, at: number): void {
    const job = this.#queue[this.#queue.length - 1];
    assert(job !== undefined && job.id === tokenOf(words, at), "a target of a copy that did not come before it");
    const file = CopyWrite.file.get(words, at);
    const position = CopyWrite.position.get(words, at);
    job.addTarget(file, position, CopyWrite.bytes.get(words, at), CopyWrite.offset.get(words, at));
  }

  #beginSegments(): void {
    while (this.#queue.length > 0) {
      const job = this.#queue[0];
      // A job's last target may still be in the ring behind its CopyRead.
      if (!job.complete) return;
      while (job.cursor < job.length) {
        const segment = this.#segments.take();
        if (segment === null) return;
        this.#read(segment, job);
      }
      this.#queue.shift();
    }
  }

  #read(segment: CopySegment, job: SegmentedCopy): void {
    segment.begin(job);
    this.#underWay += 1;
    this.#submitRead(segment);
  }

  #submitRead(segment: CopySegment): void {
    const job = segment.job as SegmentedCopy;
    const at = segment.from + segment.progress;
    const length = segment.length - segment.progress;
    const user = segment.index << TARGET_BITS;
    assert(length > 0 && at + length <= job.length, "a read beyond its copy");
    this.submissions.push(IoOp.Read, job.file, user, segment.address + segment.progress, length, job.position + at, 0);
  }

  #completed(user: number, result: number): void {
    const segment = this.#segments.all[user >> TARGET_BITS];
    assert(segment !== undefined && segment.job !== null, "a completion of no segment");
    const target = (user & TARGET_MASK) - 1;
    if (target < 0) this.#readCompleted(segment, result);
    else this.#writeCompleted(segment, target, result);
  }

  #readCompleted(segment: CopySegment, result: number): void {
    const job = segment.job as SegmentedCopy;
    if (result <= 0) {
      job.readError = result < 0 ? -result : errno.EIO;
      return this.#segmentDone(segment);
    }
    segment.read(result);
    if (segment.progress < segment.length) return this.#submitRead(segment);
    for (let t = 0; t < job.targetCount; t++) {
      segment.done[t] = 0;
      if (segment.overlap(t) > 0) this.#submitWrite(segment, t);
    }
    if (segment.writes === 0) this.#segmentDone(segment);
  }

  /** Write what the segment holds of a target's range. */
  #submitWrite(segment: CopySegment, target: number): void {
    const job = segment.job as SegmentedCopy;
    const start = Math.max(segment.from, job.targetOffset[target]) + segment.done[target];
    const length = segment.overlap(target) - segment.done[target];
    const position = job.targetPosition[target] + (start - job.targetOffset[target]);
    const user = (segment.index << TARGET_BITS) | (target + 1);
    assert(length > 0 && target < job.targetCount, "a write of nothing, or to nowhere");
    assert(
      start >= segment.from && start + length <= segment.from + segment.length,
      "a write from outside of its slot",
    );
    segment.writes += 1;
    const address = segment.address + (start - segment.from);
    this.submissions.push(IoOp.Write, job.targetFile[target], user, address, length, position, 0);
  }

  #writeCompleted(segment: CopySegment, target: number, result: number): void {
    const job = segment.job as SegmentedCopy;
    assert(segment.writes > 0, "a write ended that was not under way");
    segment.writes -= 1;
    if (result <= 0) {
      job.failedTargets |= 1 << target;
      job.writeError = result < 0 ? -result : errno.EIO;
    } else {
      segment.wrote(target, result);
      if (segment.done[target] < segment.overlap(target)) return this.#submitWrite(segment, target);
    }
    if (segment.writes === 0) this.#segmentDone(segment);
  }

  #segmentDone(segment: CopySegment): void {
    const bytes = segment.length;
    const job = segment.end();
    if (job.readError === 0 && job.failedTargets === 0) this.counters[WorkerCounter.CopiedBytes] += bytes;
    this.#segments.give(segment);
    assert(this.#underWay > 0, "more segments ended than began");
    this.#underWay -= 1;
    if (job.segments > 0 || job.cursor < job.length) return;
    this.counters[WorkerCounter.Copies] += 1;
    this.#sendCopied(job);
    this.#spare.push(job);
  }

  #sendCopied(job: SegmentedCopy): void {
    const { words } = this.#outbox;
    const at = this.#outbox.begin(Message.Copied, job.id);
    Copied.readError.set(words, at, job.readError);
    Copied.failedTargets.set(words, at, job.failedTargets);
    Copied.writeError.set(words, at, job.writeError);
  }

  /** What is under way ends; nothing further begins. */
  #abandon(): void {
    this.#abandoned = true;
    this.#queue.length = 0;
  }

  /** The loop ends when main's ring has taken its last word; of an abandoned one main may take none. */
  #end(): void {
    if (!this.#saidStopped) sayStopped(this.#outbox, 0, 0);
    this.#saidStopped = true;
    this.#backlog = this.#outbox.flush() && !this.#abandoned;
    this.#ended = !this.#backlog;
  }
}

assert(MAX_COPY_TARGETS <= TARGET_MASK, "a copy's targets fit into a user word");
