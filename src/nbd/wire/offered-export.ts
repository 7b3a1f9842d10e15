/**
 * What a handshake must know of an export, and where it looks it up.
 *
 * The lookup belongs to the server: it decides which export the empty name means, and may gain and lose exports between
 * two options. Strings are UTF-8 on the wire.
 */
import { TransmissionFlag } from "./protocol.ts";

export interface OfferedExport {
  /** The canonical name, at most MAX_EXPORT_NAME_BYTES in UTF-8. */
  readonly name: string;
  /** For people, one line; may be absent. */
  readonly description?: string | undefined;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Requests aligned to it need no read-modify-write: a power of two, 512 … MAX_PAYLOAD_BYTES. */
  readonly preferredBlockBytes: number;
}

export interface ExportLookup<Export extends OfferedExport = OfferedExport> {
  /** The export that a client means by `name`; "" is the default export. */
  find(name: string): Export | undefined;
  /** Every export once, by its canonical name. */
  list(): Iterable<Export>;
}

/** The transmission flags of an export: everything that this server can do, on every export. `hasChunks`: replies may be fragmented, and need not. */
export function transmissionFlags(readOnly: boolean, hasChunks: boolean): number {
  const flags =
    (hasChunks ? TransmissionFlag.SendDf : 0) |
    (readOnly ? TransmissionFlag.ReadOnly : 0) |
    TransmissionFlag.HasFlags |
    TransmissionFlag.SendFlush |
    TransmissionFlag.SendFua |
    TransmissionFlag.SendTrim |
    TransmissionFlag.SendWriteZeroes |
    TransmissionFlag.CanMultiConn |
    TransmissionFlag.SendCache;
  return flags;
}
