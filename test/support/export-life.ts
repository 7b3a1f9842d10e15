/**
 * The life of an export worker among failures, from one number: clients that ask and vanish, devices that fail, are short or slow, a main
 * that grants, refuses and closes gates. The test then looks whether all that was lent has come back.
 *
 *   draw one ─▶ a request │ an answer of main's │ devices change their mood │ a client goes │ a gate closes or opens ─▶ turn, draw again
 *   end      ─▶ the devices are well, the gates open, main answers everybody; nothing is left under way
 *
 * Main is a small one: an exception is there when somebody says that its chunk is written, and settled as soon as it is there. It does not
 * check the data: the simulator does.
 */
import {
  ORIGIN_READ_GATE,
  ORIGIN_WRITE_GATE,
  snapshotReadGate,
  snapshotWriteGate,
} from "../../src/base/gate-numbers.ts";
import { EntryState } from "../../src/base/states.ts";
import { fromWords } from "../../src/base/u64.ts";
import { Command, CommandFlag } from "../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { Message } from "../../src/ring/messages.ts";
import { SeededRandom } from "./core/seeded-random.ts";
import { dataPattern } from "./data-pattern.ts";
import { type BenchSnapshot, ExportBench } from "./export-bench.ts";
import type { ExportClient } from "./export-client.ts";
import type { FakeOperation } from "./fake-ring.ts";
import { EPOCH_SHIFT, SNAPSHOT_MASK } from "./raw-message.ts";

const CHUNK = 4096;
const CHUNKS = 64;
const BYTES = CHUNK * CHUNKS;
const SECTOR = 512;
const EIO = 5;
const EAGAIN = 11;
const ENOSPC = 28;
const NAMES = ["", "s0", "s1"] as const;
export const LIFE_GATES: readonly number[] = [
  ...[ORIGIN_WRITE_GATE, ORIGIN_READ_GATE],
  ...[0, 1].flatMap((i) => [snapshotWriteGate(i), snapshotReadGate(i)]),
];

interface Client {
  readonly end: ExportClient;
  readonly asked: Set<number>;
}

export class ExportLife {
  readonly bench: ExportBench;
  readonly snapshots: readonly BenchSnapshot[];
  readonly #random: SeededRandom;
  readonly #align: number;
  #clients: Client[] = [];
  /** What waits for main, oldest first. */
  readonly #needs: number[][] = [];
  /** New chunks that have been handed out, by snapshot. */
  readonly #next = [2, 2];
  /** Chunks that are granted and not written: another need of them waits. */
  readonly #granted = new Map<number, { readonly index: number; readonly chunk: number; readonly newChunk: number }>();
  readonly #closed = new Set<number>();
  /** Who is alone in a gate. */
  readonly #alone = new Map<number, number>();
  #percentFailing = 0;
  #percentShort = 0;
  #percentHeld = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#align = this.#random.pick([1, SECTOR, CHUNK]);
    const reserves = this.#random.chance(50);
    const options = { originBytes: BYTES, chunkBytes: CHUNK, originAlign: this.#align, cowAlign: this.#align };
    this.bench = new ExportBench({ ...options, reserves });
    this.snapshots = [this.bench.addSnapshot(0), this.bench.addSnapshot(1, { zeroes: true, passdown: true })];
    this.bench.volume.setList([0, 1]);
    this.bench.ring.fault = (operation) => this.#fault(operation);
    this.bench.ring.held = () => this.#percentHeld > 0 && this.#random.chance(this.#percentHeld);
  }

  live(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.#step();
      this.bench.turn();
      this.#collect();
    }
    this.#end();
  }

  /** Requests of clients that are still there and have had no answer. */
  get unanswered(): number {
    for (const { end, asked } of this.#clients) for (const { cookie } of end.replies()) asked.delete(cookie);
    return this.#clients.reduce((sum, { asked }) => sum + asked.size, 0);
  }

  #step(): void {
    const draw = this.#random.below(100);
    if (draw < 40) this.#ask();
    else if (draw < 75) this.#answerOne(false);
    else if (draw < 84) this.#mood();
    else if (draw < 88) this.#vanish();
    else this.#turnGate();
  }

  #ask(): void {
    const random = this.#random;
    if (this.#clients.length < 3 || random.chance(5)) {
      this.#clients.push({ end: this.bench.connect(random.pick(NAMES)), asked: new Set() });
      return;
    }
    const { end, asked } = random.pick(this.#clients);
    const command = random.pick([Command.Read, Command.Write, Command.Write, Command.WriteZeroes, Command.Trim]);
    const unit = random.pick([1, SECTOR, CHUNK]);
    const offset = random.below(BYTES / unit) * unit;
    const length = Math.min(BYTES - offset, (1 + random.below(random.pick([1, 4, 40]))) * unit);
    const flags = random.chance(20) && command !== Command.Read ? CommandFlag.Fua : 0;
    const payload = command === Command.Write ? dataPattern(length, random.below(250)) : new Uint8Array(0);
    if (random.chance(8)) asked.add(end.request(Command.Flush, 0, 0));
    else asked.add(end.request(command, offset, length, flags, payload));
  }

  #mood(): void {
    const random = this.#random;
    this.#percentFailing = random.pick([0, 0, 5, 50]);
    this.#percentShort = random.pick([0, 0, 10, 50]);
    this.#percentHeld = random.pick([0, 0, 50, 90]);
  }

  #fault({ op, file, length }: FakeOperation): number | undefined {
    if (file >= 100) return undefined;
    const random = this.#random;
    if (this.#percentFailing > 0 && random.chance(this.#percentFailing)) return -random.pick([EIO, ENOSPC, 95]);
    if (this.#percentShort === 0 || !random.chance(this.#percentShort)) return undefined;
    if (op !== IoOp.Read && op !== IoOp.Write) return undefined;
    return random.below(length / this.#align + 1) * this.#align;
  }

  #vanish(): void {
    const client = this.#clients[this.#random.below(Math.max(1, this.#clients.length))];
    if (client === undefined) return;
    this.#clients = this.#clients.filter((one) => one !== client);
    const { socket } = client.end;
    const how = this.#random.below(3);
    if (how === 0) socket.gone = true;
    else if (how === 1) socket.closed = true;
    else client.end.disconnect();
  }

  #turnGate(): void {
    const gate = this.#random.pick(LIFE_GATES);
    if (this.#alone.has(gate)) return;
    if (this.#closed.delete(gate)) return this.bench.openGate(gate);
    this.#closed.add(gate);
    this.bench.volume.gate(gate).close();
  }

  #collect(): void {
    for (const message of this.bench.messages.splice(0)) {
      if (message[0] === Message.ExclusiveDone) this.#notAlone(message[2]!);
      else if (WAITS.has(message[0]!)) this.#needs.push(message);
    }
  }

  #notAlone(gate: number): void {
    this.#alone.delete(gate);
    this.bench.openGate(gate);
  }

  /** Any of those who wait; `kindly`: with what they want. */
  #answerOne(kindly: boolean): void {
    if (this.#needs.length === 0) return;
    const at = this.#random.below(this.#needs.length);
    const need = this.#needs[at]!;
    if (this.#answer(need, kindly)) this.#needs.splice(at, 1);
  }

  /** False: it waits on. */
  #answer(need: readonly number[], kindly: boolean): boolean {
    const { bench } = this;
    const [kind, token, w2, w3, w4, w5, w6] = need as [number, number, number, number, number, number, number];
    const refusal = kindly || this.#random.chance(75) ? 0 : this.#random.pick([EIO, ENOSPC]);
    switch (kind) {
      case Message.NeedExclusive:
        return this.#letAlone(token, w2);
      case Message.NeedOrigin:
        if (refusal === 0 && !this.#keep(fromWords(w2, w3), w4)) return false;
        bench.release(token, refusal);
        return true;
      case Message.NeedChunk:
        return this.#chunk(token, w2, fromWords(w3, w4), w5 === 1, refusal);
      case Message.Written: {
        const granted = this.#granted.get(token)!;
        this.#granted.delete(token);
        if (w5 === 0) this.#publish(w2, granted.chunk, granted.newChunk);
        bench.release(token, w5);
        return true;
      }
      case Message.Claim:
      case Message.ClaimOrigin: {
        const index = w2 & SNAPSHOT_MASK;
        const isFirst = this.#isFree(index, fromWords(w3, w4)) && !this.#isGranted(index, fromWords(w3, w4));
        if (refusal === 0 && isFirst) this.#publish(index, fromWords(w3, w4), fromWords(w5, w6));
        bench.release(token, refusal !== 0 ? refusal : isFirst ? 0 : EAGAIN);
        return true;
      }
      case Message.NeedReserve:
        if (refusal === 0) bench.send(Message.Reserved, 0, w2 | (0 << EPOCH_SHIFT), this.#take(w2, 3), 0, 3);
        return true;
      default:
        bench.release(token, refusal);
        return true;
    }
  }

  #letAlone(token: number, gate: number): boolean {
    const port = this.bench.volume.gate(gate);
    if (this.#alone.has(gate) || this.#closed.has(gate)) return false;
    port.close();
    if (port.inFlight() > 0) {
      // Main waits for it; here somebody else is answered meanwhile.
      this.bench.openGate(gate);
      return false;
    }
    this.#alone.set(gate, token);
    this.bench.send(Message.ExclusiveGranted, token, gate);
    return true;
  }

  #chunk(token: number, index: number, chunk: number, whole: boolean, refusal: number): boolean {
    if (this.#isGranted(index, chunk)) return false;
    if (refusal !== 0 || !this.#isFree(index, chunk)) {
      this.bench.release(token, refusal);
      return true;
    }
    const newChunk = this.#take(index, 1);
    if (this.#random.chance(70)) {
      this.#granted.set(token, { index, chunk, newChunk });
      this.bench.grant(token, index, chunk, newChunk, whole);
    } else {
      this.#publish(index, chunk, newChunk);
      this.bench.release(token);
    }
    return true;
  }

  /** So many new chunks in a row. What has been handed out may be handed out again: nobody looks at the data. */
  #take(index: number, count: number): number {
    const first = this.#next[index]!;
    this.#next[index] = first + 2 * count > CHUNKS ? 2 : first + count;
    return first;
  }

  #isFree(index: number, chunk: number): boolean {
    return this.snapshots[index]!.table.stateOf(chunk) === EntryState.None;
  }

  #isGranted(index: number, chunk: number): boolean {
    return [...this.#granted.values()].some((granted) => granted.index === index && granted.chunk === chunk);
  }

  #publish(index: number, chunk: number, newChunk: number): void {
    this.snapshots[index]!.table.publish(chunk, newChunk, EntryState.Settled);
  }

  /** False: a chunk of the range is being written, and has to be waited for. */
  #keep(sector: number, sectors: number): boolean {
    const first = Math.floor((sector * SECTOR) / CHUNK);
    const last = Math.floor(((sector + sectors) * SECTOR - 1) / CHUNK);
    for (let chunk = first; chunk <= last; chunk++) {
      if (this.#isGranted(0, chunk) || this.#isGranted(1, chunk)) return false;
    }
    for (let chunk = first; chunk <= last; chunk++) {
      for (const index of [0, 1]) {
        if (this.#isFree(index, chunk)) this.#publish(index, chunk, this.#take(index, 1));
      }
    }
    return true;
  }

  #end(): void {
    this.#percentFailing = 0;
    this.#percentShort = 0;
    this.#percentHeld = 0;
    for (const gate of this.#closed) this.bench.openGate(gate);
    this.#closed.clear();
    this.serve();
  }

  /** Until nobody waits for main any more. */
  serve(): void {
    for (let idle = 0; idle < 3; idle++) {
      this.bench.run();
      this.#collect();
      if (this.#needs.length > 0) idle = 0;
      this.#answerOne(true);
    }
  }
}

const WAITS: ReadonlySet<number> = new Set([
  ...[Message.NeedOrigin, Message.NeedChunk, Message.NeedDurable, Message.NeedRange, Message.NeedExclusive],
  ...[Message.Written, Message.Claim, Message.ClaimOrigin, Message.NeedReserve],
]);
