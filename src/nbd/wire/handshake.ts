/**
 * The server's side of the fixed newstyle handshake, as a pure state machine: bytes in, bytes out, no socket.
 *
 * The stream may be split anywhere. Between two calls the machine holds at most one option's data (MAX_OPTION_BYTES); what
 * is longer or not understood is counted past, so that an unknown option never loses the step.
 *
 *   client flags ──▶ option header ──▶ data (kept) ───▶ answer ──▶ option header …
 *        │                │ └────────▶ data (skipped) ──▶ │
 *        ▼ unknown        ▼ bad magic, too many          ├─ EXPORT_NAME, GO ──▶ "transmission"
 *     "closing"        "closing"                         └─ ABORT, unknown EXPORT_NAME ──▶ "closing"
 *
 * A client must not send an option before the last one is answered. One that does anyway gets its answers one at a time:
 * `feed` takes nothing while output waits, which also bounds the memory that a flood of options can claim. So after
 * taking output, feed the rest again.
 *
 *   do { at = handshake.feed(bytes, at, to); send what takeOutput gives; } while (at < to && handshake.state === "negotiating")
 *
 * Bytes after GO or EXPORT_NAME are not consumed: they are requests. In "closing" the output is sent, then the socket closed.
 * There is one machine per connection, used by the thread that owns the socket. It knows no TLS and
 * no metadata contexts; the protocol lets a server answer these with ERR_UNSUP.
 */
import { assert } from "../../base/assert.ts";
import {
  MAX_EXPORT_NAME_BYTES,
  MAX_OPTIONS,
  MAX_OPTION_BYTES,
  MAX_SKIPPED_OPTION_BYTES,
} from "../../base/constants.ts";
import { type Dialect, EXTENDED, SIMPLE, STRUCTURED } from "./dialect.ts";
import type { OfferedExport, ExportLookup } from "./offered-export.ts";
import {
  appendAck,
  appendError,
  appendExport,
  appendGreeting,
  appendInfoBlockSize,
  appendInfoExport,
  appendInfoText,
  appendServer,
} from "./option-reply.ts";
import { decodeName, decodeOptionRequest } from "./option-request.ts";
import {
  CLIENT_FLAGS_BYTES,
  HandshakeFlag,
  InfoKind,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  Option,
  OptionReply,
} from "./protocol.ts";
import { ReplyBuffer } from "./reply-buffer.ts";

export type HandshakeState = "negotiating" | "transmission" | "closing";

/** Why a handshake closes the connection. */
export const CloseReason = {
  None: 0,
  /** The client said so. */
  Abort: 1,
  UnknownClientFlags: 2,
  BadOptionMagic: 3,
  TooManyOptions: 4,
  OptionTooLong: 5,
  /** EXPORT_NAME has no error reply. */
  UnknownExport: 6,
  /** EXPORT_NAME after EXTENDED_HEADERS, which only GO may follow. */
  ExportNameRefused: 7,
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** What the next bytes are. */
const Stage = { ClientFlags: 0, OptionHeader: 1, OptionData: 2, SkippedData: 3 } as const;
type Stage = (typeof Stage)[keyof typeof Stage];

const CLIENT_FLAGS = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes;

export class Handshake<Export extends OfferedExport = OfferedExport> {
  readonly #exports: ExportLookup<Export>;
  readonly #output = new ReplyBuffer();
  readonly #input = new Uint8Array(MAX_OPTION_BYTES);
  readonly #view = new DataView(this.#input.buffer);
  #state: HandshakeState = "negotiating";
  #closeReason: CloseReason = CloseReason.None;
  #chosen: Export | undefined;
  #stage: Stage = Stage.ClientFlags;
  #need: number = CLIENT_FLAGS_BYTES;
  #have = 0;
  #noZeroes = false;
  #option = 0;
  #options = 0;
  #dialect: Dialect = SIMPLE;

  /** The greeting waits as output at once. */
  constructor(exports: ExportLookup<Export>) {
    this.#exports = exports;
    appendGreeting(this.#output);
  }

  get state(): HandshakeState {
    return this.#state;
  }

  /** The export that the client has entered; undefined unless the state is "transmission". */
  get chosen(): Export | undefined {
    return this.#chosen;
  }

  /** How requests and replies will be spoken, as far as it has been chosen. */
  get dialect(): Dialect {
    return this.#dialect;
  }

  get closeReason(): CloseReason {
    return this.#closeReason;
  }

  /** Bytes that wait to be taken. */
  get outputLength(): number {
    return this.#output.length;
  }

  /** Move up to `room` bytes of output to `into[at]`; returns how many. */
  takeOutput(into: Uint8Array, at: number, room: number): number {
    return this.#output.take(into, at, room);
  }

  /** Consume `bytes[from … to - 1]`, which may be shared memory; returns where it stopped (see above). */
  feed(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.#state === "negotiating" && this.#output.length === 0) {
      const count = Math.min(to - at, this.#need - this.#have);
      if (this.#stage !== Stage.SkippedData) this.#input.set(bytes.subarray(at, at + count), this.#have);
      this.#have += count;
      at += count;
      if (this.#have === this.#need) this.#received();
    }
    return at;
  }

  /** What the stage waited for is whole. */
  #received(): void {
    switch (this.#stage) {
      case Stage.ClientFlags:
        this.#receivedFlags(this.#view.getUint32(0));
        break;
      case Stage.OptionHeader:
        this.#receivedHeader();
        break;
      case Stage.OptionData:
        this.#answer(this.#input.subarray(0, this.#need));
        this.#await(Stage.OptionHeader, OPTION_HEADER_BYTES);
        break;
      case Stage.SkippedData:
        this.#answerSkipped(this.#need);
        this.#await(Stage.OptionHeader, OPTION_HEADER_BYTES);
        break;
    }
  }

  #await(stage: Stage, need: number): void {
    this.#stage = stage;
    this.#need = need;
    this.#have = 0;
  }

  #close(reason: CloseReason): void {
    this.#state = "closing";
    this.#closeReason = reason;
  }

  #receivedFlags(flags: number): void {
    // Fixed newstyle is spoken also to a client that does not say that it knows it: the protocol allows it.
    if ((flags & ~CLIENT_FLAGS) !== 0) this.#close(CloseReason.UnknownClientFlags);
    this.#noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    this.#await(Stage.OptionHeader, OPTION_HEADER_BYTES);
  }

  #receivedHeader(): void {
    this.#options += 1;
    this.#option = this.#view.getUint32(8);
    const length = this.#view.getUint32(12);
    const objection = this.#objectionTo(length);
    if (objection !== CloseReason.None) {
      this.#close(objection);
      return;
    }
    this.#await(keepsData(this.#option) && length <= MAX_OPTION_BYTES ? Stage.OptionData : Stage.SkippedData, length);
    if (length === 0) this.#received();
  }

  #objectionTo(length: number): CloseReason {
    const magicOk = this.#view.getUint32(0) === OPTION_MAGIC[0] && this.#view.getUint32(4) === OPTION_MAGIC[1];
    if (!magicOk) return CloseReason.BadOptionMagic;
    if (this.#options > MAX_OPTIONS) return CloseReason.TooManyOptions;
    if (this.#option === Option.ExportName) {
      if (this.#dialect === EXTENDED) return CloseReason.ExportNameRefused;
      if (length > MAX_EXPORT_NAME_BYTES) return CloseReason.UnknownExport;
    }
    if (length > MAX_SKIPPED_OPTION_BYTES) return CloseReason.OptionTooLong;
    return CloseReason.None;
  }

  /** An option whose data has been kept. */
  #answer(data: Uint8Array): void {
    if (this.#option === Option.ExportName) this.#exportName(data);
    else this.#infoOrGo(data);
  }

  /** An option whose data, if any, has been skipped. */
  #answerSkipped(length: number): void {
    switch (this.#option) {
      case Option.Abort:
        // Data is ignored, but was read: closing with unread bytes would reset the connection before the reply arrives.
        appendAck(this.#output, this.#option);
        this.#close(CloseReason.Abort);
        break;
      case Option.List:
        if (length === 0) this.#list();
        else this.#refuse(OptionReply.ErrorInvalid);
        break;
      case Option.Info:
      case Option.Go:
        this.#refuse(OptionReply.ErrorTooBig);
        break;
      case Option.StructuredReply:
        this.#choose(STRUCTURED, length);
        break;
      case Option.ExtendedHeaders:
        this.#choose(EXTENDED, length);
        break;
      default:
        this.#refuse(OptionReply.ErrorUnsupported);
    }
  }

  /** Once, and never back: a dialect has all that those before it have. */
  #choose(dialect: Dialect, length: number): void {
    if (length > 0) return this.#refuse(OptionReply.ErrorInvalid);
    if (this.#dialect === EXTENDED && dialect === STRUCTURED) return this.#refuse(OptionReply.ErrorExtendedHeaders);
    if (this.#dialect === dialect) return this.#refuse(OptionReply.ErrorInvalid);
    this.#dialect = dialect;
    appendAck(this.#output, this.#option);
  }

  #refuse(error: OptionReply): void {
    appendError(this.#output, this.#option, error, messageOf(error));
  }

  #exportName(data: Uint8Array): void {
    const name = decodeName(data);
    const found = name === undefined ? undefined : this.#exports.find(name);
    if (found === undefined) {
      this.#close(CloseReason.UnknownExport);
    } else {
      appendExport(this.#output, found, this.#dialect, !this.#noZeroes);
      this.#enter(found);
    }
  }

  #infoOrGo(data: Uint8Array): void {
    const request = decodeOptionRequest(data);
    if (typeof request === "number") {
      this.#refuse(request);
      return;
    }
    const found = this.#exports.find(request.name);
    if (found === undefined) {
      this.#refuse(OptionReply.ErrorUnknown);
      return;
    }
    this.#describe(found, request.kinds);
    appendAck(this.#output, this.#option);
    if (this.#option === Option.Go) this.#enter(found);
  }

  #enter(chosen: Export): void {
    assert(this.#state === "negotiating");
    this.#chosen = chosen;
    this.#state = "transmission";
  }

  #describe(found: Export, kinds: ReadonlySet<number>): void {
    appendInfoExport(this.#output, this.#option, found, this.#dialect);
    if (kinds.has(InfoKind.Name)) appendInfoText(this.#output, this.#option, InfoKind.Name, found.name);
    if (kinds.has(InfoKind.Description) && found.description !== undefined) {
      appendInfoText(this.#output, this.#option, InfoKind.Description, found.description);
    }
    if (kinds.has(InfoKind.BlockSize)) appendInfoBlockSize(this.#output, this.#option, found);
  }

  #list(): void {
    const mark = this.#output.length;
    for (const info of this.#exports.list()) {
      if (appendServer(this.#output, this.#option, info)) continue;
      this.#output.cutTo(mark);
      this.#refuse(OptionReply.ErrorTooBig);
      return;
    }
    appendAck(this.#output, this.#option);
  }
}

function keepsData(option: number): boolean {
  return option === Option.ExportName || option === Option.Info || option === Option.Go;
}

function messageOf(error: OptionReply): string {
  switch (error) {
    case OptionReply.ErrorInvalid:
      return "option data is malformed, or the option has been negotiated already";
    case OptionReply.ErrorUnknown:
      return "export is not known";
    case OptionReply.ErrorTooBig:
      return "option or its answer is too long";
    case OptionReply.ErrorExtendedHeaders:
      return "extended headers have been negotiated already";
    default:
      return "option is not supported";
  }
}
