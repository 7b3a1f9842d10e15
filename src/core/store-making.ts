/**
 * The store of one snapshot that is being made on a live origin, until its snapshot may be activated (creation.ts); or as if it had never been.
 *
 *   format ──▶ formatting ──▶ register ──▶ registering ──▶ made          a store in memory begins with its record, if any
 *      │            └─▶ failed ◀────────────────┘            │
 *      └─────────────────────┴─── undo ──────────────────────┘
 *            unregister ──▶ unregistering ──▶ blank ──▶ blanking ──▶ gone
 *
 * Nobody sees it meanwhile, and its store holds no exception. So whatever a crash leaves of it is harmless: a formatted store that nobody
 * knows, or a registered snapshot that is opened as one of the origin as the crash has left it.
 *
 * Undone, its header is blank again, so that the same device serves the next try. Not so where it cannot be taken out of the
 * register: the next opening wants to find what stands there.
 */
import { assert } from "../base/assert.ts";
import type { CoreContext } from "./context.ts";
import type { MetadataOwner, RegisterOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

type Making = "format" | "formatting" | "register" | "registering" | "made" | "failed";
type Undoing = "unregister" | "unregistering" | "blank" | "blanking" | "gone";

export class StoreMaking implements MetadataOwner, RegisterOwner {
  readonly snapshot: Snapshot;
  readonly #context: CoreContext;
  #state: Making | Undoing;
  #isUndone = false;
  /** Why it has failed. */
  error = 0;
  message = "";

  constructor(context: CoreContext, snapshot: Snapshot) {
    this.#context = context;
    this.snapshot = snapshot;
    this.#state = snapshot.persistent ? "format" : "register";
  }

  get isMade(): boolean {
    return this.#state === "made";
  }

  get isGone(): boolean {
    return this.#state === "gone";
  }

  /** What has begun ends first. */
  undo(): void {
    this.#isUndone = true;
  }

  /** True if anything has changed. */
  advance(): boolean {
    const before = this.#state;
    if (this.#isUndone) this.#turnBack();
    if (this.#state === "format") this.#format();
    else if (this.#state === "register") this.#record("registering");
    else if (this.#state === "unregister") this.#record("unregistering");
    else if (this.#state === "blank") this.#blank();
    return this.#state !== before;
  }

  metadataDone(_snapshot: Snapshot, error: number): void {
    if (this.#state === "blanking") return this.#go();
    assert(this.#state === "formatting", "the format is under way");
    if (error === 0) this.#state = "register";
    else this.#fail(error, "cannot format the cow device");
  }

  registered(snapshot: Snapshot, error: number): void {
    if (this.#state === "unregistering") {
      if (error === 0) this.#state = "blank";
      else {
        this.#context.effects.notice(snapshot.index, "register-failed", error);
        this.#go();
      }
      return;
    }
    assert(this.#state === "registering", "it is being registered");
    if (error === 0) this.#state = "made";
    else this.#fail(error, "cannot register the snapshot");
  }

  /** From wherever it has come to a rest on its way. */
  #turnBack(): void {
    const { persistent, config } = this.snapshot;
    if (this.#state === "made") this.#state = config.registered ? "unregister" : "blank";
    else if (this.#state === "register" || this.#state === "failed") this.#state = "blank";
    else if (this.#state === "format") this.#go();
    if (this.#state === "blank" && !persistent) this.#go();
  }

  #format(): void {
    this.#state = "formatting";
    this.snapshot.channel.start(this, this.snapshot.formatting());
  }

  #record(state: "registering" | "unregistering"): void {
    if (!this.snapshot.config.registered) {
      this.#state = "made";
      return;
    }
    this.#state = state;
    const what = state === "registering" ? "active" : "removed";
    assert(this.snapshot.register(this.#context.effects, this, what), "what is made has no other record under way");
  }

  /** It may fail as whatever else has: then the next try finds a store, and says so. */
  #blank(): void {
    this.#state = "blanking";
    const { snapshot } = this;
    const header = new Uint8Array(snapshot.header(false).length);
    snapshot.channel.start(this, { kind: "header", snapshot: snapshot.index, header });
  }

  #fail(error: number, message: string): void {
    this.#state = "failed";
    this.error = error;
    this.message = message;
  }

  #go(): void {
    this.#state = "gone";
    this.snapshot.enter(Phase.Gone);
    this.#context.snapshots[this.snapshot.index] = undefined;
  }
}
