/**
 * What an error of a reply says to people, for dialects that have a place for it: one text for each of NBD's error numbers, encoded once.
 */
import { NbdError } from "./protocol.ts";
import { encodeText } from "./reply-buffer.ts";

export const ERROR_TEXT_BYTES_MAX = 80;

const TEXTS: Readonly<Record<NbdError, string>> = {
  [NbdError.EPERM]: "the export is read-only",
  [NbdError.EIO]: "a device has failed, or the snapshot is invalid",
  [NbdError.ENOMEM]: "the server has no memory for it",
  [NbdError.EINVAL]: "the request is malformed, or goes beyond the end of the export",
  [NbdError.ENOSPC]: "there is no room, or the request goes beyond the end of the export",
  [NbdError.EOVERFLOW]: "the request is too large",
  [NbdError.ENOTSUP]: "the request is not supported",
  [NbdError.ESHUTDOWN]: "the volume is being closed",
};

const ENCODED = new Map(Object.entries(TEXTS).map(([error, text]) => [Number(error), encodeText(text)]));
const NOTHING = new Uint8Array(0);

/** Bytes of UTF-8, ERROR_TEXT_BYTES_MAX at most. */
export function errorText(error: number): Uint8Array {
  return ENCODED.get(error) ?? NOTHING;
}
