/**
 * A client's half of a handshake for the tests: builders of its bytes, and a driver that feeds them in any pieces.
 *
 * The numbers are written out here, not taken from the code under test, so that a wrong constant shows.
 */
import type { OfferedExport, ExportLookup } from "../../../src/nbd/wire/offered-export.ts";
import { Handshake } from "../../../src/nbd/wire/handshake.ts";

export const origin: OfferedExport = {
  name: "origin",
  description: "live volume",
  sizeBytes: 0x1_2345_6789_ab,
  readOnly: false,
  preferredBlockBytes: 4096,
};
export const monday: OfferedExport = {
  name: "monday",
  sizeBytes: 1_048_576,
  readOnly: true,
  preferredBlockBytes: 16384,
};

export const lookup: ExportLookup = {
  find: (name) => [origin, monday].find((info) => info.name === (name === "" ? "origin" : name)),
  list: () => [origin, monday],
};

/** The bytes of hexadecimal text; white space is for the reader. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s+/g, ""), "hex"));
}

export function u16(value: number): Uint8Array {
  return hex(value.toString(16).padStart(4, "0"));
}

export function u32(value: number): Uint8Array {
  return hex(value.toString(16).padStart(8, "0"));
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function option(number: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return join(text("IHAVEOPT"), u32(number), u32(data.length), data);
}

/** The data of INFO and GO. */
export function infoData(name: string, ...kinds: readonly number[]): Uint8Array {
  const bytes = text(name);
  return join(u32(bytes.length), bytes, u16(kinds.length), ...kinds.map(u16));
}

export function reply(number: number, type: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return join(hex("0003e889 045565a9"), u32(number), u32(type), u32(data.length), data);
}

export const clientFlags = (flags: number): Uint8Array => u32(flags);

export interface Driven {
  readonly handshake: Handshake;
  /** Everything that the handshake said after the greeting. */
  readonly output: Uint8Array;
  /** Bytes of the input that it did not consume. */
  readonly rest: number;
  /** The most output that waited at a time. */
  readonly outputMax: number;
}

export function takeAll(handshake: Handshake): Uint8Array {
  const bytes = new Uint8Array(handshake.outputLength);
  handshake.takeOutput(bytes, 0, bytes.length);
  return bytes;
}

/** Feed `bytes` in pieces that end at the given places, taking the output whenever there is some. */
export function drive(bytes: Uint8Array, cuts: readonly number[] = [], exports: ExportLookup = lookup): Driven {
  const handshake = new Handshake(exports);
  takeAll(handshake);
  const output: Uint8Array[] = [];
  let outputMax = 0;
  let at = 0;
  for (const end of [...cuts, bytes.length]) {
    while (at < end && handshake.state === "negotiating") {
      at = handshake.feed(bytes, at, end);
      outputMax = Math.max(outputMax, handshake.outputLength);
      output.push(takeAll(handshake));
    }
  }
  return { handshake, output: join(...output), rest: bytes.length - at, outputMax };
}

/** The type of every option reply in `output`, in order; throws where it is not a sequence of whole replies. */
export function replyTypes(output: Uint8Array): number[] {
  const view = new DataView(output.buffer, output.byteOffset, output.length);
  const types: number[] = [];
  let at = 0;
  while (at < output.length) {
    if (view.getUint32(at) !== 0x3e889 || view.getUint32(at + 4) !== 0x045565a9) throw new Error("no reply magic");
    types.push(view.getUint32(at + 12));
    at += 20 + view.getUint32(at + 16);
  }
  if (at !== output.length) throw new Error("reply is cut short");
  return types;
}
