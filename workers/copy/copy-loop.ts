/**
 * The loop of a copy worker: reads a range of one device and writes parts of it to others (E-5, E-13, E-18, C-35).
 *
 *   main                      copy worker
 *   CopyRead, CopyWrite… ────▶ job: [from ……………………………… to)
 *                               segment: read ─▶ write target 0, write target 1 … ─▶ next segment
 *   ◀───────────── Copied ──── every target is over, or those whose devices answer (copy-answers.ts)
 *
 * A job longer than a slot goes in segments, up to the slots that are free; jobs wait when no slot is (copy-queue.ts). A failed read
 * fails the job, a failed write only its target, and a device that does not answer holds up its own (segment-shares.ts). The worker decides nothing
 * about exceptions: it moves bytes.
 */
import { assert, AssertionFailure } from "../../src/base/assert.ts";
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import { errno } from "../../src/base/errno.ts";
import { Pool } from "../../src/base/pool.ts";
import type { IoRing } from "../../src/device/port.ts";
import { COMPLETION_WORDS, IoOp } from "../../src/ring/io-descriptor.ts";
import { WorkerCounter } from "../../src/ring/counters.ts";
import { SEGMENT_BYTES } from "../../src/ring/copy-arena.ts";
import { kindOf, tokenOf, volumeOf } from "../../src/ring/message-field.ts";
import { Message, StopHow } from "../../src/ring/messages.ts";
import type { Outbox } from "../../src/ring/outbox.ts";
import type { RingConsumer } from "../../src/ring/spsc-ring.ts";
import { Submissions } from "../../src/ring/submissions.ts";
import { CopyRead, CopyWrite, Stop } from "../../src/ring/to-workers.ts";
import type { WorkerLoop } from "../drive.ts";
import { takeControl } from "../refused.ts";
import { sayStopped } from "../stopped.ts";
import { WakeUp } from "../wake-up.ts";
import { CopyAnswers } from "./copy-answers.ts";
import { CopyQueue } from "./copy-queue.ts";
import { CopySegment } from "./copy-segment.ts";
import type { CopyStretch } from "./copy-stretch.ts";
import { NO_SHARE, type SegmentShares } from "./segment-shares.ts";
import { SegmentedCopy } from "./segmented-copy.ts";
import { SlowClock } from "./slow-clock.ts";
import { SlowDevices } from "./slow-devices.ts";

const USER_WAKE = 0x7fff_ffff;
const USER_CLOCK = 0x7fff_fffe;
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
  /** Of these segments; `control` tells them which COW devices there are. */
  readonly shares: SegmentShares;
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
  readonly #shares: SegmentShares;
  readonly #queue = new CopyQueue();
  readonly #clock: SlowClock;
  readonly #slow: SlowDevices;
  readonly #answers: CopyAnswers;
  /** A job whose last target may still be in the ring behind its CopyRead. */
  #arriving: SegmentedCopy | null = null;
  readonly #spare: SegmentedCopy[] = [];
  readonly #begin: (stretch: CopyStretch) => void;
  readonly #told: (job: SegmentedCopy) => void;
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
    this.#shares = parts.shares;
    this.#clock = new SlowClock(this.submissions, USER_CLOCK);
    this.#slow = new SlowDevices(this.#clock);
    this.#answers = new CopyAnswers(parts.outbox, this.#clock, this.#slow);
    this.#begin = (stretch) => this.#beginSegments(stretch);
    this.#told = (job) => this.#maybeOver(job);
  }

  get ended(): boolean {
    return this.#ended;
  }

  step(completions: number): void {
    const words = this.#ring.completions;
    for (let i = 0; i < completions; i++) {
      const user = words[i * COMPLETION_WORDS];
      if (user === USER_WAKE) this.#wakeUp.fired();
      else if (user === USER_CLOCK) this.#tick();
      else this.#completed(user, words[i * COMPLETION_WORDS + 1]);
    }
    this.#takeMessages();
    this.#queue.begin(this.#begin);
    this.#answers.flush(this.#told);
    if (this.#answers.wait || this.#queue.severalWait || this.#slow.some) this.#clock.start();
    this.#backlog = this.#outbox.flush() && !this.#abandoned;
    this.#wakeUp.arm();
    if (this.#stopping && this.#underWay === 0 && this.#queue.isEmpty) this.#end();
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
    assert(this.#arriving === null, "a copy began before the last one was whole");
    const job = this.#spare.pop() ?? new SegmentedCopy();
    const file = CopyRead.file.get(words, at);
    const position = CopyRead.position.get(words, at);
    job.begin(
      volumeOf(words, at),
      tokenOf(words, at),
      file,
      position,
      CopyRead.bytes.get(words, at),
      CopyRead.targets.get(words, at),
    );
    job.readsCow = CopyRead.cow.get(words, at);
    this.#arriving = job;
  }

  #addTarget(words: Int32Array, at: number): void {
    const job = this.#arriving;
    assert(
      job?.isNamed(volumeOf(words, at), tokenOf(words, at)) === true,
      "a target of a copy that did not come before it",
    );
    const file = CopyWrite.file.get(words, at);
    const position = CopyWrite.position.get(words, at);
    job.addTarget(file, position, CopyWrite.bytes.get(words, at), CopyWrite.offset.get(words, at));
    if (!job.complete) return;
    this.#arriving = null;
    this.#queue.add(job);
  }

  /** As many segments of it as it may have now. */
  #beginSegments(stretch: CopyStretch): void {
    while (!stretch.isOver && this.#segments.free() > 0) {
      const share = this.#shares.take(stretch.device);
      if (share === NO_SHARE) return;
      const segment = this.#segments.take() as CopySegment;
      segment.begin(stretch, share, this.#clock.now);
      this.#underWay += 1;
      this.#submitRead(segment);
    }
  }

  #tick(): void {
    this.#clock.fired();
    this.#queue.setApart(this.#slow.look(this.#segments.all, this.#shares));
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
    if (result > 0) segment.read(result);
    else job.readError = result < 0 ? -result : errno.EIO;
    if (result > 0 && !segment.isRead) return this.#submitRead(segment);
    for (let t = 0; t < job.targetCount; t++) {
      segment.done[t] = 0;
      if (segment.overlap(t) === 0) continue;
      if (result > 0) this.#submitWrite(segment, t);
      else this.#targetDone(segment, t);
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
      job.fail(target, result < 0 ? -result : errno.EIO);
    } else {
      segment.wrote(target, result);
      if (segment.done[target] < segment.overlap(target)) return this.#submitWrite(segment, target);
    }
    this.#targetDone(segment, target);
    if (segment.writes === 0) this.#segmentDone(segment);
  }

  /** What the segment has of a target is written, or will not be. */
  #targetDone(segment: CopySegment, target: number): void {
    const job = segment.job as SegmentedCopy;
    segment.over |= 1 << target;
    if (job.over(target, segment.overlap(target))) this.#answers.targetEnded(job);
  }

  #segmentDone(segment: CopySegment): void {
    const bytes = segment.length;
    const job = segment.end();
    if (job.readError === 0 && job.failed === 0) this.counters[WorkerCounter.CopiedBytes] += bytes;
    this.#shares.give(segment.share);
    this.#segments.give(segment);
    assert(this.#underWay > 0, "more segments ended than began");
    this.#underWay -= 1;
    this.#maybeOver(job);
  }

  /** Its record is free when main knows of all its targets, and nothing names it. */
  #maybeOver(job: SegmentedCopy): void {
    if (!job.isOver) return;
    this.counters[WorkerCounter.Copies] += 1;
    this.#spare.push(job);
  }

  /** What is under way ends; nothing further begins. */
  #abandon(): void {
    this.#abandoned = true;
    this.#queue.clear();
  }

  /** The loop ends when main's ring has taken its last word; of an abandoned one main may take none. */
  #end(): void {
    if (!this.#saidStopped) sayStopped(this.#outbox);
    this.#saidStopped = true;
    this.#backlog = this.#outbox.flush() && !this.#abandoned;
    this.#ended = !this.#backlog;
  }
}

assert(MAX_COPY_TARGETS <= TARGET_MASK, "a copy's targets fit into a user word");
