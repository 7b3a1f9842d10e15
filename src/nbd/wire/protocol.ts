/**
 * The numbers of the NBD protocol, and the pictures of its messages. Everything on the wire is big-endian.
 *
 *   greeting          S  0 "NBDMAGIC"          8 "IHAVEOPT"         16 handshake flags (16)
 *   client flags      C  0 flags (32)
 *   option            C  0 "IHAVEOPT"          8 option (32)        12 length (32)      16 data …
 *   option reply      S  0 0x3e889045565a9     8 option (32)        12 type (32)        16 length (32)   20 data …
 *   export (option 1) S  0 size (64)           8 transmission flags (16)                10 124 zeroes, unless NO_ZEROES
 *
 *   request           C  0 magic (32)   4 flags (16)   6 type (16)   8 cookie (64)   16 offset (64)   24 length (32)   28 payload …
 *   simple reply      S  0 magic (32)   4 error (32)   8 cookie (64)   16 payload …
 *
 * Data of the options INFO and GO, and of the replies SERVER and INFO:
 *
 *   INFO, GO          C  0 length of name (32)   4 name   … number of requests n (16)   n × kind (16)
 *   SERVER            S  0 length of name (32)   4 name   … description to the end
 *   INFO export       S  0 kind 0 (16)   2 size (64)   10 transmission flags (16)
 *   INFO name         S  0 kind 1 (16)   2 name        INFO description   0 kind 2 (16)   2 text
 *   INFO block size   S  0 kind 3 (16)   2 minimum (32)   6 preferred (32)   10 maximum payload (32)
 *
 * Only what this server speaks is named here: no TLS, structured replies, metadata contexts or extended headers.
 */

/** "NBDMAGIC" and "IHAVEOPT" as pairs of words, high word first. */
export const INIT_MAGIC = [0x4e42444d, 0x41474943] as const;
export const OPTION_MAGIC = [0x49484156, 0x454f5054] as const;
export const OPTION_REPLY_MAGIC = [0x0003e889, 0x045565a9] as const;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;

export const GREETING_BYTES = 18;
export const CLIENT_FLAGS_BYTES = 4;
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_HEADER_BYTES = 20;
export const EXPORT_REPLY_BYTES = 10;
export const EXPORT_PADDING_BYTES = 124;
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;

/** In the greeting; the client answers with the same bits. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const TransmissionFlag = {
  HasFlags: 1 << 0,
  ReadOnly: 1 << 1,
  SendFlush: 1 << 2,
  SendFua: 1 << 3,
  SendTrim: 1 << 5,
  SendWriteZeroes: 1 << 6,
  CanMultiConn: 1 << 8,
  SendCache: 1 << 10,
} as const;

export const Option = { ExportName: 1, Abort: 2, List: 3, Info: 6, Go: 7 } as const;

export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  ErrorUnsupported: 0x8000_0001,
  ErrorInvalid: 0x8000_0003,
  ErrorUnknown: 0x8000_0006,
  ErrorTooBig: 0x8000_0009,
} as const;
export type OptionReply = (typeof OptionReply)[keyof typeof OptionReply];

/** Kinds of information that INFO and GO may ask for. */
export const InfoKind = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

export const Command = { Read: 0, Write: 1, Disconnect: 2, Flush: 3, Trim: 4, Cache: 5, WriteZeroes: 6 } as const;

export const CommandFlag = { Fua: 1 << 0, NoHole: 1 << 1 } as const;

/** The only values of the error field. */
export const NbdError = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdError = (typeof NbdError)[keyof typeof NbdError];
