/**
 * The data of the options INFO and GO: an export name and a list of information requests (drawn in protocol.ts).
 *
 * The data must be exactly as long as its two counts say. A name is UTF-8 without NUL, taken as it is: no byte order mark
 * is stripped, nothing is replaced.
 */
import { MAX_EXPORT_NAME_BYTES } from "../../base/constants.ts";
import { OptionReply } from "./protocol.ts";

export interface OptionRequest {
  readonly name: string;
  /** The kinds that were asked for (InfoKind and unknown ones); repetitions count once. */
  readonly kinds: ReadonlySet<number>;
}

const FRAME_BYTES = 6;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The request in `data`, or the error reply that it deserves. */
export function decodeOptionRequest(data: Uint8Array): OptionRequest | OptionReply {
  if (data.length < FRAME_BYTES) return OptionReply.ErrorInvalid;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const nameBytes = view.getUint32(0);
  if (nameBytes > data.length - FRAME_BYTES) return OptionReply.ErrorInvalid;
  if (nameBytes > MAX_EXPORT_NAME_BYTES) return OptionReply.ErrorTooBig;
  const count = view.getUint16(4 + nameBytes);
  if (data.length !== FRAME_BYTES + nameBytes + 2 * count) return OptionReply.ErrorInvalid;
  const name = decodeName(data.subarray(4, 4 + nameBytes));
  if (name === undefined) return OptionReply.ErrorInvalid;
  const kinds = new Set<number>();
  for (let i = 0; i < count; i++) kinds.add(view.getUint16(FRAME_BYTES + nameBytes + 2 * i));
  return { name, kinds };
}

/** The name in `bytes` (not shared memory); undefined where it is not UTF-8, or has a NUL. */
export function decodeName(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
