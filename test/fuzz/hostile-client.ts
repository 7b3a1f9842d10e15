/**
 * Plays a script on a real connection, and judges every byte that comes back.
 *
 *   what was sent (a prefix of the stream) ── reference.ts ──▶ what may be answered ◀── compared with ── what the server says
 *
 * Judged: the greeting, each option's answer in its order, the export's data, each reply (its magic, its cookie, its error, its data, that
 * its request had been sent), the server's closing (where it must, and nowhere else), and, where the client reads to the end of a stream
 * that ended well, that everything was answered.
 */
import { HANDSHAKE_MS } from "../../src/base/constants.ts";
import { ByteStream, StreamEnded, type Address } from "../support/byte-stream.ts";
import { Cmd } from "../support/nbd-client.ts";
import { Info, Rep } from "../support/nbd-negotiation.ts";
import { type Asked, receivePiece } from "../support/nbd-reply.ts";
import { type Content, type Effect, effectOf } from "./content.ts";
import { type ExpectedOption, type ExpectedRequest, readStream, type Reading } from "./reference.ts";
import type { Script } from "./script.ts";

const GREETING = Buffer.from("NBDMAGICIHAVEOPT\0\x03", "latin1");
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const SIZE_AND_FLAGS = 10;
const LINGER_MS = 60;
/** A server that has not closed after so long never will. */
const PATIENCE_MS = 30_000;

interface Open {
  readonly request: ExpectedRequest;
  readonly effect: Effect | undefined;
}

export class HostileClient {
  readonly #script: Script;
  readonly #reading: Reading;
  readonly #contents: ReadonlyMap<string, Content>;
  readonly #exports: readonly string[];
  readonly #open: Open[] = [];
  /** Bytes of reads whose chunks are coming. */
  readonly #received = new Map<ExpectedRequest, number>();
  /** Requests of the reading that were sent completely. */
  #sentRequests = 0;
  #sent = 0;
  #answered = 0;
  #gone = false;
  #unjudged = false;
  #finished = false;
  #connectedAt = 0;

  constructor(script: Script, contents: ReadonlyMap<string, Content>, exports: readonly string[], sizeBytes: number) {
    this.#script = script;
    this.#contents = contents;
    this.#exports = exports;
    this.#reading = readStream(script.stream.subarray(0, script.sends.at(-1)), exports, sizeBytes);
  }

  /** Replies that were judged. */
  replies = 0;

  /** Resolves when the connection is over; rejects with what was wrong. */
  async play(address: Address): Promise<void> {
    this.#connectedAt = performance.now();
    const stream = await ByteStream.connect(address);
    if (this.#script.deaf) stream.pause();
    const judged = this.#script.deaf ? Promise.resolve() : this.#judge(stream);
    judged.catch(() => stream.destroy());
    await this.#send(stream);
    if (this.#script.end === "linger") await sleep(LINGER_MS);
    if (this.#script.end === "finish" && !this.#script.deaf) {
      this.#finished = true;
      stream.finish();
      await within(judged, "the server does not close");
    }
    this.#gone = true;
    stream.destroy();
    await judged;
  }

  async #send(stream: ByteStream): Promise<void> {
    const { stream: bytes, pauseMs } = this.#script;
    for (const end of this.#ends()) {
      await this.#politeness(stream);
      if (stream.isOver) return;
      const part = bytes.subarray(this.#sent, end);
      this.#announce(end);
      this.#sent = end;
      const handed = stream.sendNow(part).catch(() => undefined);
      // A server that answers nobody who does not read stops reading, too.
      if (this.#script.deaf) await Promise.race([handed, sleep(LINGER_MS)]);
      else await handed;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  /** Where the sends end; of a polite client also where an option does. */
  #ends(): readonly number[] {
    const { sends, polite } = this.#script;
    if (!polite) return sends;
    const last = sends.at(-1)!;
    const { options, entered } = this.#reading;
    const ends = [...sends, ...options.map(({ end }) => end), ...(entered === undefined ? [] : [entered.end])];
    return [...new Set(ends)].filter((end) => end <= last).sort((a, b) => a - b);
  }

  async #politeness(stream: ByteStream): Promise<void> {
    if (!this.#script.polite || this.#script.deaf) return;
    const { options, entered } = this.#reading;
    const asked = options.filter(({ end }) => end <= this.#sent).length;
    const inside = entered !== undefined && entered.end <= this.#sent;
    while (!stream.isOver && this.#answered < asked + (inside ? 1 : 0)) await sleep(1);
  }

  /** What becomes complete with the next bytes may be answered, and may happen, from now on. */
  #announce(end: number): void {
    const { requests, entered } = this.#reading;
    for (; this.#sentRequests < requests.length && requests[this.#sentRequests]!.end <= end; this.#sentRequests++) {
      const request = requests[this.#sentRequests]!;
      const effect = effectOf(request, this.#script.stream);
      if (effect !== undefined) this.#contents.get(entered?.name ?? "")?.add(effect);
      this.#open.push({ request, effect });
    }
  }

  async #judge(stream: ByteStream): Promise<void> {
    try {
      const greeting = await stream.receive(GREETING.length);
      if (!greeting.equals(GREETING)) throw new Error(`not a greeting: ${greeting.toString("hex")}`);
      for (const option of this.#reading.options) {
        await this.#judgeOption(stream, option);
        this.#answered += 1;
      }
      if (this.#reading.entered !== undefined && this.#reading.entered.padding >= 0) await this.#judgeExport(stream);
      this.#answered += 1;
      for (;;) await this.#judgeReply(stream);
    } catch (error) {
      if (error instanceof Ambiguous) return await this.#giveUp(stream);
      if (!(error instanceof StreamEnded)) throw error;
      this.#judgeEnd();
    }
  }

  async #judgeOption(stream: ByteStream, expected: ExpectedOption): Promise<void> {
    for (let first = true; ; first = false) {
      const { type, data } = await this.#optionReply(stream, expected);
      const refused = type >= 0x8000_0000;
      if (refused !== (expected.outcome === "error"))
        throw new Error(`option ${expected.option}: reply ${type}, not ${expected.outcome}`);
      if (refused) return;
      if (type === Rep.Ack && data.length === 0 && !(first && expected.outcome !== "ack")) return;
      if (expected.outcome === "list" && type === Rep.Server) this.#judgeServer(data);
      else if (expected.outcome === "info" && type === Rep.Info) this.#judgeInfo(data, first);
      else throw new Error(`option ${expected.option}: reply ${type} is not legal`);
    }
  }

  async #optionReply(stream: ByteStream, expected: ExpectedOption): Promise<{ type: number; data: Buffer }> {
    const header = await stream.receive(20);
    if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC)
      throw new Error(`not an option reply: ${header.toString("hex")}`);
    if (header.readUInt32BE(8) !== expected.option)
      throw new Error(`a reply to option ${header.readUInt32BE(8)}, not ${expected.option}`);
    if (expected.end > this.#sent) throw new Error(`option ${expected.option} is answered before it was sent`);
    const length = header.readUInt32BE(16);
    return { type: header.readUInt32BE(12), data: length === 0 ? Buffer.alloc(0) : await stream.receive(length) };
  }

  #judgeServer(data: Buffer): void {
    const name = data.toString("utf8", 4, 4 + data.readUInt32BE(0));
    if (name !== "" && !this.#exports.includes(name)) throw new Error(`an export that does not exist: ${name}`);
  }

  #judgeInfo(data: Buffer, first: boolean): void {
    const kind = data.readUInt16BE(0);
    if (first !== (kind === Info.Export)) throw new Error(`information ${kind} at the wrong place`);
    if (kind === Info.Export && Number(data.readBigUInt64BE(2)) !== this.#sizeBytes) throw new Error("a wrong size");
    if (kind > Info.BlockSize) throw new Error(`information ${kind} is unknown`);
  }

  async #judgeExport(stream: ByteStream): Promise<void> {
    const { padding } = this.#reading.entered!;
    const data = await stream.receive(SIZE_AND_FLAGS + padding);
    if (Number(data.readBigUInt64BE(0)) !== this.#sizeBytes) throw new Error("a wrong size");
    if (data.subarray(SIZE_AND_FLAGS).some((byte) => byte !== 0)) throw new Error("the padding is not zero");
  }

  async #judgeReply(stream: ByteStream): Promise<void> {
    const { dialect } = this.#reading;
    const piece = await receivePiece(stream, dialect, (cookie, error) => this.#asked(cookie, error));
    const { cookie, requestOffset, done, at, data } = piece;
    // An error behind chunks of data is legal for every read that was begun.
    const error = piece.error;
    const fits = ({ request }: Open): boolean => request.cookie === cookie && request.errors.includes(error);
    // Where a cookie was given twice, what answers a read tells itself by its data.
    const isMeant = ({ request: { type, length, rawOffset } }: Open): boolean =>
      (data.length === 0 || (type === Cmd.Read && length > 0)) &&
      (requestOffset === undefined || requestOffset === rawOffset);
    const isWhole = ({ request }: Open): boolean =>
      error !== 0 || data.length > 0 || request.type !== Cmd.Read || this.#left(request) === 0;
    const all = this.#open.map((one, i) => (fits(one) && isMeant(one) ? i : -1)).filter((i) => i >= 0);
    const index = all.find((i) => isWhole(this.#open[i]!)) ?? all[0] ?? -1;
    if (index === -1) throw new Error(`no request that was sent has the reply ${cookie} with error ${error}`);
    const { request, effect } = this.#open[index]!;
    if (data.length > 0) {
      const from = at ?? request.offset;
      if (from < request.offset || from + data.length > request.offset + request.length)
        throw new Error(`${data.length} bytes from ${from} on were not asked for`);
      this.#contents.get(this.#reading.entered!.name)!.check(from, data);
      this.#received.set(request, (this.#received.get(request) ?? 0) + data.length);
    }
    if (!done) return;
    if (error === 0 && request.type === Cmd.Read && this.#left(request) !== 0)
      throw new Error(`${this.#left(request)} bytes of ${request.length} have not come`);
    // Of a cookie that was given twice nobody knows which of them has happened.
    const isOnly = this.#open.filter((one) => one.request.cookie === cookie).length === 1;
    this.#open.splice(index, 1);
    if (effect !== undefined && isOnly) effect.certain = true;
    this.replies += 1;
  }

  /** Bytes of a read that have not come. */
  #left(request: ExpectedRequest): number {
    return request.length - (this.#received.get(request) ?? 0);
  }

  /** Cookies that a client gives twice leave open which reply this is, and so where the next one begins. */
  #asked(cookie: bigint, error: number | undefined): Asked {
    const { dialect } = this.#reading;
    const isMeant = (errors: readonly number[]): boolean => error === undefined || errors.includes(error);
    const open = this.#open.filter(({ request }) => request.cookie === cookie && isMeant(request.errors));
    const lengths = new Set(open.map(({ request: { type, length } }) => (type === Cmd.Read ? length : 0)));
    if (dialect === "simple" && error === 0 && lengths.size > 1) throw new Ambiguous();
    const [request] = open.map((one) => one.request);
    if (request === undefined) throw new Error(`no request that was sent has the cookie ${cookie}`);
    const isRead = request.type === Cmd.Read;
    const length = isRead ? request.length : 0;
    const offsets = open.map(({ request: { rawOffset } }) => rawOffset);
    return { length: isRead && dialect !== "simple" ? -1 : length, offsets };
  }

  /** Read on and judge nothing more, but the end. */
  async #giveUp(stream: ByteStream): Promise<void> {
    this.#unjudged = true;
    for (const { effect } of this.#open) if (effect !== undefined) effect.certain = false;
    try {
      for (;;) await stream.receive(1);
    } catch (error) {
      if (!(error instanceof StreamEnded)) throw error;
      this.#judgeEnd();
    }
  }

  /** The stream has ended. */
  #judgeEnd(): void {
    const { closesAt, graceful } = this.#reading;
    const hadTo = closesAt !== undefined && closesAt <= this.#sent;
    if (this.#gone) return;
    // On a machine that is busy with other things a handshake may take as long as it may.
    if (this.replies === 0 && performance.now() > this.#connectedAt + HANDSHAKE_MS - 500) return;
    if (!hadTo && !this.#finished) throw new Error(`the server has closed after ${this.#sent} bytes, for no reason`);
    // Closed by a server that had not read all, the kernel may have thrown replies away.
    const whole = !this.#unjudged && this.#script.polite && (!hadTo || (graceful && closesAt === this.#sent));
    if (whole && this.#open.length > 0)
      throw new Error(
        `${this.#open.length} requests were not answered, the first of type ${this.#open[0]!.request.type}`,
      );
  }

  get #sizeBytes(): number {
    return [...this.#contents.values()][0]!.sizeBytes;
  }
}

/** Nobody can tell any more what the next bytes are. */
class Ambiguous extends Error {}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function within(work: Promise<void>, complaint: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), PATIENCE_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
