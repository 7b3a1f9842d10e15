/**
 * A client's half of the fixed newstyle handshake, step by step, so that a test can take each step wrongly.
 *
 * Like nbd-client.ts it shares nothing with the code under test: the numbers are written out again.
 */
import type { Address } from "./byte-stream.ts";
import { ByteStream } from "./byte-stream.ts";
import type { DialectName } from "./nbd-reply.ts";

export const Opt = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
  ExtendedHeaders: 11,
} as const;

export const Rep = {
  Ack: 1,
  Server: 2,
  Info: 3,
  Unsupported: 0x8000_0001,
  Invalid: 0x8000_0003,
  Unknown: 0x8000_0006,
  TooBig: 0x8000_0009,
  ExtendedHeadersRequired: 0x8000_000a,
} as const;

export const Info = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;

export interface OptionReply {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

export interface Entered {
  readonly sizeBytes: number;
  /** Transmission flags. */
  readonly flags: number;
}

export class Negotiation {
  readonly stream: ByteStream;
  readonly handshakeFlags: number;

  private constructor(stream: ByteStream, handshakeFlags: number) {
    this.stream = stream;
    this.handshakeFlags = handshakeFlags;
  }

  /** Connect, and read the greeting. */
  static async open(address: Address): Promise<Negotiation> {
    return await Negotiation.over(await ByteStream.connect(address));
  }

  /** Read the greeting. */
  static async over(stream: ByteStream): Promise<Negotiation> {
    const greeting = await stream.receive(18);
    if (greeting.toString("latin1", 0, 16) !== "NBDMAGICIHAVEOPT") throw new Error("not an NBD greeting");
    return new Negotiation(stream, greeting.readUInt16BE(16));
  }

  sendFlags(flags: number = FIXED_NEWSTYLE | NO_ZEROES): void {
    this.stream.send(u32(flags));
  }

  sendOption(option: number, data: Uint8Array = Buffer.alloc(0)): void {
    this.stream.send(Buffer.from("IHAVEOPT"), u32(option), u32(data.length), data);
  }

  async receiveReply(): Promise<OptionReply> {
    const header = await this.stream.receive(20);
    if (header.readBigUInt64BE(0) !== 0x3e889045565a9n) throw new Error("not an option reply");
    const length = header.readUInt32BE(16);
    const data = length === 0 ? Buffer.alloc(0) : await this.stream.receive(length);
    return { option: header.readUInt32BE(8), type: header.readUInt32BE(12), data };
  }

  /** Send an option and receive its replies, the final one included. */
  async ask(option: number, data: Uint8Array = Buffer.alloc(0)): Promise<OptionReply[]> {
    this.sendOption(option, data);
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = await this.receiveReply();
      if (reply.option !== option) throw new Error(`reply to option ${reply.option}, not ${option}`);
      replies.push(reply);
      if (reply.type === Rep.Ack || reply.type >= 0x8000_0000) return replies;
    }
  }

  /** How requests and replies are spoken from here on; throws where it is refused. */
  async speak(dialect: DialectName): Promise<void> {
    if (dialect === "simple") return;
    const option = dialect === "structured" ? Opt.StructuredReply : Opt.ExtendedHeaders;
    const [reply] = await this.ask(option);
    if (reply?.type !== Rep.Ack) throw new Error(`${dialect} replies refused: ${reply?.data.toString()}`);
  }

  /** GO; throws where it is refused. */
  async go(name: string, ...kinds: readonly number[]): Promise<Entered> {
    const replies = await this.ask(Opt.Go, infoData(name, ...kinds));
    if (replies.at(-1)?.type !== Rep.Ack) throw new Error(`GO refused: ${replies.at(-1)?.data.toString()}`);
    const info = replies.find((reply) => reply.type === Rep.Info && reply.data.readUInt16BE(0) === Info.Export);
    if (info === undefined) throw new Error("GO without NBD_INFO_EXPORT");
    return { sizeBytes: Number(info.data.readBigUInt64BE(2)), flags: info.data.readUInt16BE(10) };
  }
}

/** The data of INFO and GO. */
export function infoData(name: string, ...kinds: readonly number[]): Buffer {
  const text = Buffer.from(name);
  return Buffer.concat([u32(text.length), text, u16(kinds.length), ...kinds.map(u16)]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
