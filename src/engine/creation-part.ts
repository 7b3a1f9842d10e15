/**
 * What one volume does for snapshots that are made of it while it is served: all that a creation names of this volume.
 *
 *   prepare   stores made, opened ─▶ memory and descriptors to every worker                        nobody is held up
 *   make      core: registered ┄▶ gate closed, empty ┄▶ listed, gate opened ─▶ flushed ┄▶ served    ┄▶ a halt (core/creation-group.ts)
 *   takeBack  workers forget, devices closed, files that were made are removed
 *   drop      it was made, and is not to be after all
 *
 * The group decides (creation.ts); the volume's lists are snapshot-set.ts's. Runs on main.
 */
import { throwIfAborted } from "../base/abort-error.ts";
import { type ErrnoName, hintOf, SnapringError } from "../base/errno.ts";
import type { CreationGroup, GroupedCreation } from "../core/creation-group.ts";
import type { Ended } from "./core-orders.ts";
import type { CoreShell } from "./core-shell.ts";
import type { CreationPause } from "./creation-pause.ts";
import { coreError } from "./refusal.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import type { SnapshotOptions } from "./volume-options.ts";

/** What the volume's set of snapshots does for it. */
export interface CreationHost {
  readonly shell: CoreShell;
  /** Its store is open, and every worker has it. What was opened is closed again where that fails. */
  bring(options: SnapshotOptions, signal: AbortSignal | undefined): Promise<SnapshotHandle>;
  config(handle: SnapshotHandle): Parameters<CoreShell["core"]["createSnapshot"]>[1];
  /** There is no snapshot: as before `bring`. Never rejects. */
  takeBack(handle: SnapshotHandle): Promise<void>;
  /** There is one, and it goes, with the file that was made for it. */
  undo(handle: SnapshotHandle): Promise<void>;
  /** Writes of clients were held for so long. */
  paused(ms: number): void;
}

/** What it has of the whole creation. */
export interface CreationWhole {
  /** How errors call a snapshot. */
  readonly nameOf: (name: string) => string;
  readonly pause: CreationPause;
}

export class CreationPart implements GroupedCreation {
  readonly #host: CreationHost;
  readonly #wanted: readonly SnapshotOptions[];
  readonly #nameOf: (name: string) => string;
  readonly #pause: CreationPause;
  readonly #handles: SnapshotHandle[] = [];
  #operation: number | undefined;
  /** By performance.now(). */
  closedAt = 0;
  openedAt = 0;

  constructor(host: CreationHost, wanted: readonly SnapshotOptions[], { nameOf, pause }: CreationWhole) {
    this.#host = host;
    this.#wanted = wanted;
    this.#nameOf = nameOf;
    this.#pause = pause;
  }

  async prepare(signal: AbortSignal | undefined): Promise<void> {
    for (const options of this.#wanted) {
      throwIfAborted(signal);
      try {
        const handle = await this.#host.bring(options, signal);
        handle.isMade = false;
        this.#handles.push(handle);
      } catch (error) {
        throw named(this.#nameOf(options.name), options.name, error);
      }
    }
    throwIfAborted(signal);
  }

  /** `number`: of this volume in the group, which may have been given up. Resolves or rejects when nothing of it is under way. */
  async make(group: CreationGroup, number: number): Promise<void> {
    const made = this.#handles.map((handle) => ({ config: this.#host.config(handle), loaded: handle.loaded }));
    const { operation, over } = this.#host.shell.create(made, (step, at) => {
      if (step === "closing") this.#closing(at);
      else if (step === "opened") this.#opened(at);
      else group.reached(number, step);
    });
    this.#operation = operation;
    const end = await over;
    group.ended(number, end.error);
    if (end.error !== 0) throw this.#failed(end);
    for (const handle of this.#handles) handle.isMade = true;
  }

  goOn(): void {
    this.#tell((creation) => creation.goOn());
  }

  cancel(): void {
    this.#tell((creation) => creation.cancel());
  }

  async takeBack(): Promise<void> {
    for (const handle of this.#handles) await this.#host.takeBack(handle);
  }

  async undo(): Promise<void> {
    for (const handle of this.#handles) {
      handle.isMade = false;
      await this.#host.undo(handle);
    }
  }

  #tell(news: (creation: GroupedCreation) => void): void {
    const operation = this.#operation;
    if (operation !== undefined) this.#host.shell.tell((core) => core.tellCreation(operation, news));
  }

  #closing(at: number): void {
    this.closedAt = at;
    this.#pause.began();
  }

  #opened(at: number): void {
    this.openedAt = at;
    this.#pause.ended();
    this.#host.paused(at - this.closedAt);
  }

  #failed({ error, message, snapshot }: Ended): SnapringError {
    const failed = this.#handles.find(({ index }) => index === snapshot) ?? this.#handles[0]!;
    return coreError(this.#nameOf(failed.name), error, message);
  }
}

/** What is no error of options says which of a group it is about. */
function named(called: string, name: string, error: unknown): unknown {
  if (called === name || !(error instanceof SnapringError)) return error;
  return new SnapringError(error.code as ErrnoName, `${called}: ${error.message}`, {
    hint: hintOf(error),
    cause: error,
  });
}
