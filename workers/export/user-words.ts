/**
 * The user words of an export worker's operations: what a completion says about whose it is.
 *
 *   31      24 23                     0
 *   │  who   │ number                  │
 *
 * Numbers are used again:
 *
 *   connection   index and generation (Connection.tag): its receive may be under way when it ends, and a cancel be late
 *   piece        index: it is given back only by the last completion of its operations, or by main's one answer to its token; operations of devices
 *                are never cancelled, and of a main that has ended no answer is taken any more (ExportLoop)
 *   request      never in a user word: its pieces, or a send that has it in its list, keep it until they have ended
 */
export const User = {
  Piece: 1 << 24,
  EdgeHead: 2 << 24,
  EdgeTail: 3 << 24,
  Receive: 4 << 24,
  Send: 5 << 24,
  Wake: 6 << 24,
  Cancel: 7 << 24,
  Ask: 8 << 24,
} as const;
export const USER_INDEX_MASK: number = (1 << 24) - 1;
