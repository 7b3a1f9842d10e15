/** What main knows of a snapshot's work (engine.md, 7): plain sums since it was opened. */

export class SnapshotCounters {
  /** Chunks copied by whichever worker, and the bytes of them that were written. */
  copies = 0;
  copiedBytes = 0;
  /** Chunks that workers filled by themselves (E-6). */
  grants = 0;
  /** Groups written, and the exceptions in them. */
  commits = 0;
  exceptionsCommitted = 0;
  /** Of areas and headers; zeroed areas count too. */
  metadataBytes = 0;
  /** Times that requests have begun to wait until somebody adds room. */
  stalls = 0;
  /** Times that the COW device has become larger. */
  growths = 0;
}
