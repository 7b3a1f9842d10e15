/**
 * The loop of the metadata worker: the only one that writes headers and areas (S-56).
 *
 *   main                           metadata worker
 *   MetadataBegin, MetadataStep… ─▶ one linked chain: zero area ─▶ fdatasync ─▶ write area with RWF_DSYNC
 *   ◀────────────── MetadataDone ── all of it, or the first error
 *
 * A job's steps run one after the other, each only if the one before succeeded whole. Main sends at most one job per store at
 * a time, so that header and area writes of a store never overlap; jobs of different stores run side by side. What the
 * steps mean, and the order that keeps a store valid (S-53, S-31, S-70), is main's business.
 *
 * A job that is alone is done at once, by plain system calls of this thread: io_uring has no fdatasync and no RWF_DSYNC that does not
 * go through threads of the kernel's, which cost an origin write that waits for its commit three more switches. Where other volumes have their
 * jobs done here, none is: a device that does not answer would keep them all waiting.
 */
import { assert, AssertionFailure } from "../../src/base/assert.ts";
import { errno } from "../../src/base/errno.ts";
import { Pool } from "../../src/base/pool.ts";
import type { IoRing } from "../../src/device/port.ts";
import { WorkerCounter } from "../../src/ring/counters.ts";
import { COMPLETION_WORDS, IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { kindOf, tokenOf, volumeOf } from "../../src/ring/message-field.ts";
import { Message, StopHow } from "../../src/ring/messages.ts";
import type { Outbox } from "../../src/ring/outbox.ts";
import type { RingConsumer } from "../../src/ring/spsc-ring.ts";
import { Submissions } from "../../src/ring/submissions.ts";
import { MetadataDone } from "../../src/ring/to-main.ts";
import { MetadataBegin, MetadataStep, Stop } from "../../src/ring/to-workers.ts";
import type { WorkerLoop } from "../drive.ts";
import { takeControl } from "../refused.ts";
import { sayStopped } from "../stopped.ts";
import { WakeUp } from "../wake-up.ts";
import { ImageSlots } from "./image-slots.ts";
import { MetadataChain, type ChainStep, ZEROES } from "./metadata-chain.ts";

const USER_WAKE = 0x7fff_ffff;
/** A user word: job record and the number of the operation in its chain. */
const OPERATION_BITS = 16;
const OPERATION_MASK: number = (1 << OPERATION_BITS) - 1;

/** A longer job goes through the ring even when it is alone: jobs that come meanwhile run beside it. */
const AT_ONCE_BYTES_MAX: number = 256 * 1024;

export interface MetadataLoopParts {
  readonly ring: IoRing;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly counters: Float64Array;
  readonly wakeAddress: number;
  /** Arena address and length of a region that is always zero. */
  readonly zeroAddress: number;
  readonly zeroBytes: number;
  /** Jobs that may be under way; more of them wait. */
  readonly jobs: number;
  readonly control: () => void;
}

export class MetadataLoop implements WorkerLoop {
  readonly submissions: Submissions;
  readonly counters: Float64Array;
  readonly #parts: MetadataLoopParts;
  readonly #wakeUp: WakeUp;
  readonly #jobs: Pool<MetadataChain>;
  /** Jobs that are whole and wait, oldest first. */
  readonly #queue: MetadataChain[] = [];
  #arriving: MetadataChain | null = null;
  readonly #images = new ImageSlots();
  #underWay = 0;
  #stopping = false;
  /** Main takes nothing more. */
  #abandoned = false;
  #saidStopped = false;
  #ended = false;
  #backlog = false;

  constructor(parts: MetadataLoopParts) {
    this.#parts = parts;
    this.submissions = new Submissions(parts.ring.submissions);
    this.counters = parts.counters;
    this.#wakeUp = new WakeUp(this.submissions, USER_WAKE, parts.wakeAddress);
    this.#jobs = new Pool(parts.jobs, (i) => new MetadataChain(i));
  }

  get ended(): boolean {
    return this.#ended;
  }

  step(completions: number): void {
    const words = this.#parts.ring.completions;
    for (let i = 0; i < completions; i++) {
      const user = words[i * COMPLETION_WORDS];
      if (user === USER_WAKE) this.#wakeUp.fired();
      else this.#completed(user, words[i * COMPLETION_WORDS + 1]);
    }
    this.#takeMessages();
    while (this.#queue.length > 0 && this.#fits(this.#queue[0])) this.#start(this.#queue.shift() as MetadataChain);
    this.#backlog = this.#parts.outbox.flush() && !this.#abandoned;
    this.#wakeUp.arm();
    if (this.#stopping && this.#underWay === 0 && this.#queue.length === 0) this.#end();
  }

  prepareSleep(): boolean {
    return !this.#backlog && this.#parts.inbox.prepareSleep();
  }

  awake(): void {
    this.#parts.inbox.awake();
  }

  #takeMessages(): void {
    const { inbox } = this.#parts;
    for (let at = inbox.peek(); at >= 0; at = inbox.peek()) {
      if (!this.#message(inbox.words, at)) return;
      inbox.advance();
    }
  }

  /** False: no job record is free; the message stays in the ring. */
  #message(words: Int32Array, at: number): boolean {
    switch (kindOf(words, at)) {
      case Message.MetadataBegin: {
        assert(this.#arriving === null, "a job began before the last one was whole");
        const job = this.#jobs.take();
        if (job === null) return false;
        job.begin(
          volumeOf(words, at),
          tokenOf(words, at),
          MetadataBegin.file.get(words, at),
          MetadataBegin.steps.get(words, at),
          MetadataBegin.shared.get(words, at),
        );
        this.#arriving = job;
        return true;
      }
      case Message.MetadataStep:
        this.#arrived(words, at);
        return true;
      case Message.Control:
        takeControl(this.#parts.outbox, words, at, this.#parts.control);
        return true;
      case Message.Stop:
        this.#stopping = true;
        if (Stop.how.get(words, at) === StopHow.Abandon) this.#abandon();
        return true;
      default:
        throw new AssertionFailure(`unknown message ${kindOf(words, at)} from main`);
    }
  }

  #arrived(words: Int32Array, at: number): void {
    const job = this.#arriving;
    assert(job !== null && job.id === tokenOf(words, at), "a step of a job that did not come before it");
    const step: ChainStep = {
      operation: MetadataStep.operation.get(words, at),
      position: MetadataStep.position.get(words, at),
      bytes: MetadataStep.bytes.get(words, at),
      address: MetadataStep.address.get(words, at),
      durable: MetadataStep.durable.get(words, at),
    };
    job.add(step);
    this.#images.lend(job, step.address, step.bytes);
    if (!job.complete) return;
    this.#arriving = null;
    this.#queue.push(job);
  }

  #operations(step: ChainStep): number {
    return step.address === ZEROES ? Math.ceil(step.bytes / this.#parts.zeroBytes) : 1;
  }

  #fits(job: MetadataChain): boolean {
    const needed = job.steps.reduce((sum, step) => sum + this.#operations(step), 0);
    // A job that is too long for any batch goes alone, in parts: #start stops where the batch is full.
    const room = this.#parts.ring.capacity - this.submissions.count - 1;
    return needed <= room || (this.#underWay === 0 && this.submissions.count === 0);
  }

  #start(job: MetadataChain): void {
    const bytes = job.steps.reduce((sum, step) => sum + step.bytes, 0);
    job.atOnce = !job.shared && this.#underWay === 0 && this.#queue.length === 0 && bytes <= AT_ONCE_BYTES_MAX;
    this.#underWay += 1;
    this.#continue(job);
  }

  /** Submit the job's next operations as one linked chain, as many as the batch takes. */
  #continue(job: MetadataChain): void {
    const most = this.#parts.ring.capacity - this.submissions.count - 2;
    let pushed = 0;
    while (job.step < job.steps.length && pushed < most) {
      if (pushed > 0) this.submissions.link();
      this.#push(job, job.steps[job.step]);
      pushed += 1;
    }
    assert(pushed > 0, "a job whose next operation finds no room waits for ever");
    job.pending = pushed;
  }

  #push(job: MetadataChain, step: ChainStep): void {
    const { zeroAddress, zeroBytes } = this.#parts;
    const rest = step.bytes - job.stepDone;
    const length = step.address === ZEROES ? Math.min(rest, zeroBytes) : rest;
    const address = step.address === ZEROES ? zeroAddress : step.address;
    const argument = step.durable ? IoArg.Dsync : 0;
    const user = (job.index << OPERATION_BITS) | (job.lengths.length & OPERATION_MASK);
    const position = step.position + job.stepDone;
    this.submissions.push(step.operation, job.file, user, address, length, position, argument);
    if (job.atOnce) this.submissions.atOnce();
    job.lengths.push(step.operation === IoOp.Sync ? 0 : length);
    job.stepDone += length;
    if (job.stepDone < step.bytes) return;
    job.step += 1;
    job.stepDone = 0;
  }

  #completed(user: number, result: number): void {
    const job = this.#jobs.all[user >> OPERATION_BITS];
    assert(job !== undefined && job.pending > 0, "a completion of no job");
    const expected = job.lengths[user & OPERATION_MASK];
    assert(expected !== undefined && result <= expected, "a device moved more bytes than it was asked for");
    // What follows a failed operation is cancelled: its own error counts, where there is one.
    if (result < 0 && (result !== -errno.ECANCELED || job.error === 0)) job.error = -result;
    else if (result >= 0 && result < expected) job.error = errno.EIO;
    job.pending -= 1;
    if (job.pending > 0) return;
    if (job.error === 0 && job.step < job.steps.length) return this.#continue(job);
    this.#done(job);
  }

  #done(job: MetadataChain): void {
    this.counters[WorkerCounter.MetadataJobs] += 1;
    for (const step of job.error === 0 ? job.steps : []) {
      if (step.operation === IoOp.Write) this.counters[WorkerCounter.MetadataBytes] += step.bytes;
    }
    const { outbox } = this.#parts;
    const at = outbox.begin(Message.MetadataDone, job.volume, job.id);
    MetadataDone.error.set(outbox.words, at, job.error);
    assert(this.#underWay > 0, "more jobs ended than began");
    this.#underWay -= 1;
    this.#images.giveBack(job);
    this.#jobs.give(job);
  }

  /** What is under way ends; nothing further begins. */
  #abandon(): void {
    this.#abandoned = true;
    this.#queue.length = 0;
  }

  /** The loop ends when main's ring has taken its last word; of an abandoned one main may take none. */
  #end(): void {
    const { outbox } = this.#parts;
    if (!this.#saidStopped) sayStopped(outbox);
    this.#saidStopped = true;
    this.#backlog = outbox.flush() && !this.#abandoned;
    this.#ended = !this.#backlog;
  }
}
