/**
 * What an export may hold, byte for byte, while clients write to it that nobody can wait for.
 *
 *   known      the bytes at the last settlement
 *   effects    writes, zeroes and trims that were sent completely since then; one that was acknowledged has happened
 *
 * A byte is right if it is the known one, or one that an effect gives it; a byte that an acknowledged write or zero covers must be
 * one of the effects'. `settle` takes what was read as the new known bytes: from then on they must stay.
 */
import type { ExpectedRequest } from "./reference.ts";
import { Cmd } from "../support/nbd-client.ts";

const BLOCK = 4096;
const ZEROES = Buffer.alloc(BLOCK);

export interface Effect {
  readonly from: number;
  readonly to: number;
  /** The bytes; undefined: zeroes. */
  readonly data: Buffer | undefined;
  /** It was acknowledged, and must be seen. */
  certain: boolean;
  /** A trim may do nothing. */
  readonly optional: boolean;
}

/** What an executed request does to its export; undefined: nothing. */
export function effectOf(request: ExpectedRequest, stream: Buffer): Effect | undefined {
  const { type, offset, length, payloadAt } = request;
  const range = { from: offset, to: offset + length, certain: false };
  if (request.errors[0] !== 0 || length === 0) return undefined;
  if (type === Cmd.Write) return { ...range, data: stream.subarray(payloadAt, payloadAt + length), optional: false };
  if (type === Cmd.WriteZeroes) return { ...range, data: undefined, optional: false };
  return type === Cmd.Trim ? { ...range, data: undefined, optional: true } : undefined;
}

export class Content {
  readonly name: string;
  readonly #known: Buffer;
  #effects: Effect[] = [];

  constructor(name: string, bytes: Buffer) {
    this.name = name;
    this.#known = Buffer.from(bytes);
  }

  get sizeBytes(): number {
    return this.#known.length;
  }

  add(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Ranges that may have changed since the last settlement. */
  get touched(): readonly (readonly [number, number])[] {
    return this.#effects.map(({ from, to }) => [from, to] as const);
  }

  /** Throws where a read can have seen no such bytes. `settled`: nothing is under way, so what was acknowledged must be there. */
  check(at: number, bytes: Buffer, settled = false): void {
    const effects = this.#effects.filter((e) => e.from < at + bytes.length && e.to > at);
    for (let from = at; from < at + bytes.length; ) {
      const to = Math.min(at + bytes.length, from - (from % BLOCK) + BLOCK);
      const piece = bytes.subarray(from - at, to - at);
      this.#checkBlock(from, piece, effects, settled);
      from = to;
    }
  }

  /** What was read when nothing was under way. */
  settle(at: number, bytes: Buffer): void {
    this.check(at, bytes, true);
    bytes.copy(this.#known, at);
  }

  /** Every touched range has been settled. */
  forget(): void {
    this.#effects = [];
  }

  #checkBlock(from: number, bytes: Buffer, all: readonly Effect[], settled: boolean): void {
    const to = from + bytes.length;
    const effects = all.filter((e) => e.from < to && e.to > from);
    const musts = settled ? effects.filter((e) => e.certain && !e.optional) : [];
    const known = this.#known.subarray(from, to);
    if (musts.length === 0 && bytes.equals(known)) return;
    if (effects.some((e) => e.from <= from && to <= e.to && bytes.equals(bytesOf(e, from, to)))) return;
    for (let i = 0; i < bytes.length; i++) {
      const position = from + i;
      const must = musts.some((e) => e.from <= position && position < e.to);
      if (!must && bytes[i] === known[i]) continue;
      if (effects.some((e) => e.from <= position && position < e.to && byteOf(e, position) === bytes[i])) continue;
      throw new Error(
        `${this.name}: byte ${position} is ${bytes[i]}, was ${known[i]}, and ${effects.length} writes near it do not explain that`,
      );
    }
  }
}

function bytesOf(effect: Effect, from: number, to: number): Buffer {
  if (effect.data === undefined) return ZEROES.subarray(0, to - from);
  return effect.data.subarray(from - effect.from, to - effect.from);
}

function byteOf(effect: Effect, position: number): number {
  return effect.data === undefined ? 0 : effect.data[position - effect.from]!;
}
