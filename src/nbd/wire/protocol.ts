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
 * After STRUCTURED_REPLY a reply may be chunks, the last of which has DONE; after EXTENDED_HEADERS every reply is, and requests are wider:
 *
 *   structured chunk  S  0 magic (32)   4 flags (16)   6 type (16)   8 cookie (64)   16 length (32)   20 payload …
 *   extended request  C  0 magic (32)   4 flags (16)   6 type (16)   8 cookie (64)   16 offset (64)   24 length (64)   32 payload …
 *   extended chunk    S  0 magic (32)   4 flags (16)   6 type (16)   8 cookie (64)   16 offset of the request (64)     24 length (64)   32 payload …
 *
 *   payload of        NONE nothing      OFFSET_DATA  0 offset (64)  8 data …         ERROR  0 error (32)  4 length of text (16)  6 text …
 *
 * Data of the options INFO and GO, and of the replies SERVER and INFO:
 *
 *   INFO, GO          C  0 length of name (32)   4 name   … number of requests n (16)   n × kind (16)
 *   SERVER            S  0 length of name (32)   4 name   … description to the end
 *   INFO export       S  0 kind 0 (16)   2 size (64)   10 transmission flags (16)
 *   INFO name         S  0 kind 1 (16)   2 name        INFO description   0 kind 2 (16)   2 text
 *   INFO block size   S  0 kind 3 (16)   2 minimum (32)   6 preferred (32)   10 maximum payload (32)
 *
 * Only what this server speaks is named here: no TLS and no metadata contexts.
 */

/** "NBDMAGIC" and "IHAVEOPT" as pairs of words, high word first. */
export const INIT_MAGIC = [0x4e42444d, 0x41474943] as const;
export const OPTION_MAGIC = [0x49484156, 0x454f5054] as const;
export const OPTION_REPLY_MAGIC = [0x0003e889, 0x045565a9] as const;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;
export const EXTENDED_REQUEST_MAGIC = 0x21e41c71;
export const EXTENDED_REPLY_MAGIC = 0x6e8a278c;

export const GREETING_BYTES = 18;
export const CLIENT_FLAGS_BYTES = 4;
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_HEADER_BYTES = 20;
export const EXPORT_REPLY_BYTES = 10;
export const EXPORT_PADDING_BYTES = 124;
export const REQUEST_BYTES = 28;
export const EXTENDED_REQUEST_BYTES = 32;
export const SIMPLE_REPLY_BYTES = 16;
export const STRUCTURED_CHUNK_BYTES = 20;
export const EXTENDED_CHUNK_BYTES = 32;
/** Of a chunk's payload, before the data. */
export const DATA_OFFSET_BYTES = 8;

/** In the greeting; the client answers with the same bits. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const TransmissionFlag = {
  HasFlags: 1 << 0,
  ReadOnly: 1 << 1,
  SendFlush: 1 << 2,
  SendFua: 1 << 3,
  SendTrim: 1 << 5,
  SendWriteZeroes: 1 << 6,
  SendDf: 1 << 7,
  CanMultiConn: 1 << 8,
  SendCache: 1 << 10,
} as const;

export const Option = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ExtendedHeaders: 11,
} as const;

export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  ErrorUnsupported: 0x8000_0001,
  ErrorInvalid: 0x8000_0003,
  ErrorUnknown: 0x8000_0006,
  ErrorTooBig: 0x8000_0009,
  ErrorExtendedHeaders: 0x8000_000a,
} as const;
export type OptionReply = (typeof OptionReply)[keyof typeof OptionReply];

/** Kinds of information that INFO and GO may ask for. */
export const InfoKind = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

export const Command = { Read: 0, Write: 1, Disconnect: 2, Flush: 3, Trim: 4, Cache: 5, WriteZeroes: 6 } as const;

export const CommandFlag = { Fua: 1 << 0, NoHole: 1 << 1, DontFragment: 1 << 2, PayloadLength: 1 << 5 } as const;

/** What a chunk of a reply is. */
export const ChunkType = { None: 0, OffsetData: 1, Error: 0x8001 } as const;

/** It is the last one of its reply. */
export const CHUNK_DONE = 1;

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
