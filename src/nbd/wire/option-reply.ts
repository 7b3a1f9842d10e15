/**
 * The answers to options, each appended whole to a ReplyBuffer. Layouts are drawn in protocol.ts.
 *
 * Which answers an option gets, and in which order, is the handshake's business.
 */
import { assert } from "../../base/assert.ts";
import { MAX_PAYLOAD_BYTES } from "../../base/constants.ts";
import { isPowerOfTwo } from "../../base/units.ts";
import type { Dialect } from "./dialect.ts";
import type { OfferedExport } from "./offered-export.ts";
import { transmissionFlags } from "./offered-export.ts";
import {
  EXPORT_PADDING_BYTES,
  EXPORT_REPLY_BYTES,
  HandshakeFlag,
  INIT_MAGIC,
  InfoKind,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  OptionReply,
} from "./protocol.ts";
import type { ReplyBuffer } from "./reply-buffer.ts";
import { encodeText } from "./reply-buffer.ts";

const MINIMUM_BLOCK_BYTES = 1;
const PREFERRED_BLOCK_BYTES_MIN = 512;

export function appendGreeting(to: ReplyBuffer): void {
  to.appendMagic(INIT_MAGIC);
  to.appendMagic(OPTION_MAGIC);
  to.appendU16(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes);
}

/** The answer to EXPORT_NAME, which has no header. */
export function appendExport(
  to: ReplyBuffer,
  info: OfferedExport,
  { hasChunks }: Pick<Dialect, "hasChunks">,
  padding: boolean,
): void {
  assert(to.hasRoom(EXPORT_REPLY_BYTES + EXPORT_PADDING_BYTES));
  to.appendU64(info.sizeBytes);
  to.appendU16(transmissionFlags(info.readOnly, hasChunks));
  if (padding) to.appendZeroes(EXPORT_PADDING_BYTES);
}

export function appendAck(to: ReplyBuffer, option: number): void {
  appendHeader(to, option, OptionReply.Ack, 0);
}

/** `message` is shown to people. */
export function appendError(to: ReplyBuffer, option: number, type: OptionReply, message: string): void {
  const text = encodeText(message);
  appendHeader(to, option, type, text.length);
  to.appendBytes(text);
}

/** One entry of a list. False: there is no room for it, and for an acknowledgement after it. */
export function appendServer(to: ReplyBuffer, option: number, info: OfferedExport): boolean {
  const name = encodeText(info.name);
  const description = encodeText(info.description ?? "");
  const length = 4 + name.length + description.length;
  if (!to.hasRoom(length + 2 * OPTION_REPLY_HEADER_BYTES)) return false;
  appendHeader(to, option, OptionReply.Server, length);
  to.appendU32(name.length);
  to.appendBytes(name);
  to.appendBytes(description);
  return true;
}

export function appendInfoExport(
  to: ReplyBuffer,
  option: number,
  info: OfferedExport,
  { hasChunks }: Pick<Dialect, "hasChunks">,
): void {
  appendHeader(to, option, OptionReply.Info, 12);
  to.appendU16(InfoKind.Export);
  to.appendU64(info.sizeBytes);
  to.appendU16(transmissionFlags(info.readOnly, hasChunks));
}

/** `kind` is Name or Description. */
export function appendInfoText(to: ReplyBuffer, option: number, kind: number, value: string): void {
  const text = encodeText(value);
  appendHeader(to, option, OptionReply.Info, 2 + text.length);
  to.appendU16(kind);
  to.appendBytes(text);
}

export function appendInfoBlockSize(to: ReplyBuffer, option: number, info: OfferedExport): void {
  assert(isPowerOfTwo(info.preferredBlockBytes), "preferred block size is not a power of two");
  assert(info.preferredBlockBytes >= PREFERRED_BLOCK_BYTES_MIN && info.preferredBlockBytes <= MAX_PAYLOAD_BYTES);
  appendHeader(to, option, OptionReply.Info, 14);
  to.appendU16(InfoKind.BlockSize);
  to.appendU32(MINIMUM_BLOCK_BYTES);
  to.appendU32(info.preferredBlockBytes);
  to.appendU32(MAX_PAYLOAD_BYTES);
}

function appendHeader(to: ReplyBuffer, option: number, type: OptionReply, length: number): void {
  to.appendMagic(OPTION_REPLY_MAGIC);
  to.appendU32(option);
  to.appendU32(type);
  to.appendU32(length);
}
