/**
 * The ring over node:fs, for machines where the native addon is missing: the same contract, slower.
 *
 * Operations on files are done at once, inside `turn`. What may have to wait (sockets, the wake-up, timeouts) is tried, else
 * parked. Nobody tells this ring when a socket is ready: parked sockets are tried again after 0.05 ms, then after twice
 * that, up to 2 ms, and the thread sleeps meanwhile on the wake-up word.
 *
 *   started ──▶ done ──▶ completion, then the linked descriptor behind it
 *      └──▶ parked ──time, or wake word──▶ tried again ──┘
 *
 *   any thread                             this ring, in `turn`
 *   wake word = 1; notify ───────────────▶ Atomics.wait ends; EventRead takes the word back to 0
 *
 * Requests on one socket and direction are served in the order in which they came. Unlike the native rings this one has no
 * reference of its own to a file: a descriptor stays open until it was cleared here and nothing is under way on it.
 */
import { assert } from "../base/assert.ts";
import { SOCKET_RETRY_MAX_MS, SOCKET_RETRY_MIN_MS, SOCKETS_PER_RETRY } from "../base/constants.ts";
import { errno } from "../base/errno.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS, IoOp } from "../ring/io-descriptor.ts";
import { type Direction, makeFile, type NodeFile, NodeRequest } from "./node-request.ts";
import { calls, runFile, runSocket, WAIT } from "./node-transfer.ts";
import { FileKind, type IoRing, type IoRingCounters } from "./port.ts";

export interface NodeRingOptions {
  readonly arena: SharedArrayBuffer;
  /** Descriptors per turn. */
  readonly capacity: number;
  /** Entries of the file table. */
  readonly files: number;
  /** One shared word: set to 1 and notified by who wants to end the ring's sleep. Every file of kind Event stands for it. */
  readonly wake: Int32Array;
}

export class NodeRing implements IoRing {
  readonly kind = "node";
  readonly submissions: Int32Array;
  readonly completions: Int32Array;
  readonly capacity: number;
  readonly #arena: Uint8Array;
  readonly #arenaWords: Uint32Array;
  readonly #wake: Int32Array;
  readonly #files: (NodeFile | undefined)[];
  readonly #free: NodeRequest[] = [];
  readonly #chain: NodeRequest[] = [];
  /** In the order in which they came; a hole is a request that was cancelled during a pass. */
  #parked: (NodeRequest | undefined)[] = [];
  /** Completions that had no room: (user, result, word 0) each. */
  readonly #kept: number[] = [];
  /** Nobody notifies it: to sleep where no EventRead is under way. */
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #out = 0;
  #pass = 0;
  #enters = 0;
  #turns = 0;
  #submitted = 0;
  #completed = 0;
  #inline = 0;

  constructor(options: NodeRingOptions) {
    const { arena, capacity, files, wake } = options;
    assert(Number.isSafeInteger(capacity) && capacity > 0 && Number.isSafeInteger(files) && files > 0);
    this.submissions = new Int32Array(new SharedArrayBuffer(capacity * DESCRIPTOR_WORDS * 4));
    this.completions = new Int32Array(new SharedArrayBuffer(capacity * COMPLETION_WORDS * 4));
    this.capacity = capacity;
    this.#arena = new Uint8Array(arena);
    this.#arenaWords = new Uint32Array(arena, 0, arena.byteLength >>> 2);
    this.#wake = wake;
    this.#files = new Array<NodeFile | undefined>(files).fill(undefined);
  }

  setFile(index: number, fd: number, kind: FileKind): void {
    assert(index >= 0 && index < this.#files.length, "index outside of the file table");
    this.#files[index] = fd < 0 ? undefined : makeFile(fd, kind);
  }

  turn(count: number, wait: boolean): number {
    assert(count >= 0 && count <= this.capacity, "more descriptors than the ring has room for");
    const before = calls.made;
    this.#turns++;
    this.#submitted += count;
    this.#out = 0;
    this.#emitKept();
    for (let i = 0; i < count; ) i = this.#startChain(i, count);
    if (this.#parked.length > 0) this.#serve();
    while (wait && this.#out === 0 && this.#parked.length > 0) {
      this.#sleep();
      this.#serve();
    }
    this.#enters += calls.made - before;
    return this.#out;
  }

  copy(target: number, source: number, length: number): void {
    this.#checkRange(target, length);
    this.#checkRange(source, length);
    this.#arena.copyWithin(target, source, source + length);
  }

  zero(target: number, length: number): void {
    this.#checkRange(target, length);
    this.#arena.fill(0, target, target + length);
  }

  counters(): IoRingCounters {
    return {
      enters: this.#enters,
      turns: this.#turns,
      submitted: this.#submitted,
      completed: this.#completed,
      inline: this.#inline,
    };
  }

  /** What is parked never completes; nothing touches the arena afterwards. */
  close(): true {
    this.#parked = [];
    this.#files.fill(undefined);
    return true;
  }

  #checkRange(start: number, length: number): void {
    const inside = start >= 0 && length >= 0 && start + length <= this.#arena.length;
    if (!inside) throw new RangeError("not inside the arena");
  }

  /** Check a whole chain, then start it. Returns the index behind it. */
  #startChain(first: number, count: number): number {
    const chain = this.#chain;
    chain.length = 0;
    let index = first;
    let status = 0;
    let bad = 0;
    do {
      const request = this.#free.pop() ?? new NodeRequest();
      const known = request.decode(this.submissions, index * DESCRIPTOR_WORDS);
      const own = known ? request.prepare(this.#files, this.#arenaWords) : -errno.EINVAL;
      if (own !== 0 && status === 0) {
        status = own;
        bad = chain.length;
      }
      if (chain.length > 0) chain[chain.length - 1].next = request;
      chain.push(request);
      index++;
      // A link at the end of a batch has nothing behind it.
    } while (chain[chain.length - 1].link && index < count);
    if (status === 0) this.#run(chain[0]);
    else for (let i = 0; i < chain.length; i++) this.#finish(chain[i], i === bad ? status : -errno.ECANCELED);
    return index;
  }

  /** Start a request, and those linked behind it as long as they end at once. */
  #run(request: NodeRequest): void {
    const result = this.#start(request);
    if (result === WAIT) this.#park(request);
    else this.#settle(request, result);
  }

  /** End a request; go on with the linked ones, or cancel them. */
  #settle(first: NodeRequest, firstResult: number): void {
    let request: NodeRequest | undefined = first;
    let result = firstResult;
    while (request !== undefined) {
      const next: NodeRequest | undefined = request.next;
      const whole = request.isWhole(result);
      this.#finish(request, result);
      request = next;
      if (request === undefined) return;
      // A cancelled request is not whole: everything behind it is cancelled, too.
      result = whole ? this.#start(request) : -errno.ECANCELED;
      if (result === WAIT) {
        this.#park(request);
        return;
      }
    }
  }

  #start(request: NodeRequest): number {
    switch (request.op) {
      case IoOp.Nop:
        return 0;
      case IoOp.Cancel:
        return this.#cancel(request.argument);
      case IoOp.Timeout:
        request.deadline = performance.now() + (request.argument >>> 0) / 1000;
        return WAIT;
      case IoOp.EventRead:
        return WAIT;
      default:
    }
    if (request.file?.kind !== FileKind.Socket) {
      this.#inline++;
      return runFile(request, this.#arena);
    }
    const direction = directionOf(request);
    return direction.parked > 0 ? WAIT : this.#trySocket(request, direction);
  }

  #trySocket(request: NodeRequest, direction: Direction): number {
    const before = request.done;
    const result = runSocket(request, this.#arena);
    if (result === WAIT) {
      // A socket that has just moved bytes is likely to move more soon.
      const longest = SOCKET_RETRY_MAX_MS * Math.ceil((this.#parked.length + 1) / SOCKETS_PER_RETRY);
      const fresh = request.done > before || direction.parked === 0;
      direction.delay = fresh ? SOCKET_RETRY_MIN_MS : Math.min(longest, direction.delay * 2);
      direction.retryAt = performance.now() + direction.delay;
    }
    return result;
  }

  #cancel(user: number): number {
    const at = this.#parked.findIndex((request) => request?.user === user);
    if (at < 0) return -errno.ENOENT;
    const request = this.#parked[at] as NodeRequest;
    this.#parked[at] = undefined;
    this.#unpark(request);
    this.#settle(request, request.done > 0 ? request.done : -errno.ECANCELED);
    return 0;
  }

  #park(request: NodeRequest): void {
    this.#parked.push(request);
    if (request.file?.kind === FileKind.Socket) directionOf(request).parked++;
  }

  #unpark(request: NodeRequest): void {
    if (request.file?.kind === FileKind.Socket) directionOf(request).parked--;
  }

  /** Sleep until the next time at which something parked is due, or until the wake-up. */
  #sleep(): void {
    let due = Number.POSITIVE_INFINITY;
    let awaitsWake = false;
    for (const request of this.#parked) {
      if (request === undefined) continue;
      if (request.op === IoOp.EventRead) awaitsWake = true;
      else due = Math.min(due, request.op === IoOp.Timeout ? request.deadline : directionOf(request).retryAt);
    }
    this.#enters++;
    const left = Math.max(0, due - performance.now());
    // The word is compared before the sleep: a wake-up that came first ends it at once.
    if (awaitsWake) Atomics.wait(this.#wake, 0, 0, left);
    else Atomics.wait(this.#clock, 0, 0, left);
  }

  /** Try everything parked that is due. Ending a request can start others, which park (behind) or cancel (a hole). */
  #serve(): void {
    this.#pass++;
    const now = performance.now();
    const count = this.#parked.length;
    for (let i = 0; i < count; i++) {
      const request = this.#parked[i];
      if (request === undefined) continue;
      const result = this.#retry(request, now);
      if (result === WAIT) continue;
      this.#parked[i] = undefined;
      this.#unpark(request);
      this.#settle(request, result);
    }
    let kept = 0;
    for (const request of this.#parked) if (request !== undefined) this.#parked[kept++] = request;
    this.#parked.length = kept;
  }

  #retry(request: NodeRequest, now: number): number {
    if (request.op === IoOp.Timeout) return now >= request.deadline ? -errno.ETIME : WAIT;
    if (request.op === IoOp.EventRead) return this.#takeWake(request);
    const direction = directionOf(request);
    if (direction.blockedIn === this.#pass) return WAIT;
    const result = now >= direction.retryAt ? this.#trySocket(request, direction) : WAIT;
    if (result === WAIT) direction.blockedIn = this.#pass;
    return result;
  }

  /** One wake-up ends one read, like an eventfd that was signalled. */
  #takeWake(request: NodeRequest): number {
    if (Atomics.exchange(this.#wake, 0, 0) === 0) return WAIT;
    this.#arena.fill(0, request.starts[0], request.starts[0] + 8);
    this.#arena[request.starts[0]] = 1;
    return 8;
  }

  #finish(request: NodeRequest, result: number): void {
    request.file = undefined;
    request.next = undefined;
    this.#free.push(request);
    this.#completed++;
    if (this.#out === this.capacity) this.#kept.push(request.user, result, request.word0);
    else this.#emit(request.user, result, request.word0);
  }

  #emit(user: number, result: number, word0: number): void {
    const at = this.#out++ * COMPLETION_WORDS;
    this.completions[at] = user;
    this.completions[at + 1] = result;
    this.completions[at + 2] = word0;
    this.completions[at + 3] = 0;
  }

  #emitKept(): void {
    const kept = this.#kept;
    const count = Math.min(this.capacity, kept.length / 3);
    for (let i = 0; i < count; i++) this.#emit(kept[3 * i], kept[3 * i + 1], kept[3 * i + 2]);
    kept.splice(0, 3 * count);
  }
}

function directionOf(request: NodeRequest): Direction {
  const file = request.file as NodeFile;
  return request.isSend ? file.output : file.input;
}
