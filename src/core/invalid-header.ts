/**
 * The header of a snapshot that is Invalid, or about to be: valid = 0, FUA, tried a few times (S-70).
 *
 *   advance ──▶ channel free: write ──▶ 0: ended(true)
 *      ▲                            └─▶ error: again, until the last attempt: report, ended(false)
 *      └────────────────────────────────┘
 *
 * A part of an operation, which asks it to go on and is told how it ended. Whether a valid header is left on the disk, the snapshot remembers.
 */
import type { CoreContext } from "./context.ts";
import type { MetadataOwner, Snapshot } from "./snapshot.ts";

export class InvalidHeader implements MetadataOwner {
  readonly #context: CoreContext;
  readonly #snapshot: Snapshot;
  readonly #ended: (written: boolean) => void;
  #attempts = 0;

  constructor(context: CoreContext, snapshot: Snapshot, ended: (written: boolean) => void) {
    this.#context = context;
    this.#snapshot = snapshot;
    this.#ended = ended;
  }

  /** Write it, unless the metadata worker still has a job of this store; true if that was begun. */
  advance(): boolean {
    const { channel, index } = this.#snapshot;
    if (channel.isBusy) return false;
    this.#attempts += 1;
    channel.start(this, { kind: "header", snapshot: index, header: this.#snapshot.header(false) });
    return true;
  }

  metadataDone(snapshot: Snapshot, error: number): void {
    const { effects, options } = this.#context;
    if (error !== 0 && this.#attempts < options.headerAttempts) return;
    snapshot.store.headerStands = error !== 0;
    if (error !== 0) effects.notice(snapshot.index, "header-write-failed", error);
    this.#ended(error === 0);
  }
}
