/**
 * The messages between main and the workers: their kinds. 8 words of 32 bits each (see spsc-ring.ts); what they say, when, and in which words is
 * declared in to-main.ts and to-workers.ts, under the same name.
 *
 *   export worker                     main                      copy worker / metadata worker
 *   NeedOrigin, NeedChunk,            │                          │
 *   NeedDurable, NeedRange … ────────▶│ ── CopyRead, CopyWrite ─▶│
 *   ◀──────────── Released, Granted ──│ ◀──────────── Copied ────│
 *   Written, Drained, GateDrained ───▶│ ── Metadata… ───────────▶│
 *                                     │ ◀──────── MetadataDone ──│
 */

export const Message = {
  // export worker → main
  NeedOrigin: 1,
  NeedChunk: 2,
  NeedDurable: 3,
  NeedRange: 4,
  Written: 5,
  Drained: 6,
  GateDrained: 7,
  NeedExclusive: 8,
  ExclusiveDone: 9,
  ConnectionClosed: 10,
  NeedReserve: 13,
  Claim: 14,
  Entered: 15,
  Waiting: 16,
  ClaimOrigin: 17,

  // any worker → main
  ControlTaken: 11,
  Stopped: 12,
  VolumeStopped: 18,

  // copy worker, metadata worker → main
  Copied: 20,
  MetadataDone: 21,

  // main → export worker
  Released: 40,
  Granted: 41,
  GateOpened: 42,
  ExclusiveGranted: 43,
  Adopt: 44,
  Reserved: 47,
  CutHandshake: 48,
  Relieve: 49,
  StopVolume: 50,

  // main → any worker
  Control: 45,
  Stop: 46,

  // main → copy worker; a CopyRead is followed by its CopyWrites in the same ring
  CopyRead: 60,
  CopyWrite: 61,

  // main → metadata worker; a MetadataBegin is followed by its MetadataSteps likewise
  MetadataBegin: 62,
  MetadataStep: 63,
} as const;
export type Message = (typeof Message)[keyof typeof Message];

/** In place of a snapshot's number: the live volume. */
export const LIVE_VOLUME = -1;

/**
 * How a worker stops, or its part in a volume: when everything is answered and read; when the operations under way have ended, whatever is not answered or not
 * read; without waiting for main, which cannot answer any more because another worker has died, or the volume's core has failed.
 */
export const StopHow = { Drain: 0, Cut: 1, Abandon: 2 } as const;
export type StopHow = (typeof StopHow)[keyof typeof StopHow];

/**
 * Why a worker has finished with a connection: the client left or was out of step; too many; its time was over; the machine has no
 * descriptor, or no memory, for it.
 */
export const CloseCause = { Ended: 0, NoRoom: 1, Handshake: 2, Transfer: 3, Shortage: 4 } as const;
export type CloseCause = (typeof CloseCause)[keyof typeof CloseCause];
