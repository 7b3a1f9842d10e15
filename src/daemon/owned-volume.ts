/**
 * One volume of the daemon's: its spec, what it is just now, and the engine's volume while it is open.
 *
 *   closed ─▶ opening ─▶ open ─▶ closing ─▶ closed
 *                 └─▶ failed ◀─┘  with its problem: open() tries again
 *
 * It opens whatever the register beside its origin knows (E-46), each snapshot with the policy that the state has for it. What the engine tells of it goes to the
 * journal. One order after the other, so that who asks twice gets what the first has brought about.
 */
import { Turns } from "../base/turns.ts";
import type { Engine, Volume } from "../index.ts";
import { ClientEvents } from "./client-events.ts";
import type { Journal } from "./journal.ts";
import { openingOptions } from "./policy.ts";
import { Problem, type ProblemDetails, problemOf } from "./problem.ts";
import type { SnapshotSpec, VolumeSpec } from "./state.ts";

/** Of the time, for a merge that nobody has throttled. */
export const FULL_PERCENT = 100;

export type OwnedState = "closed" | "opening" | "open" | "failed" | "closing";

export interface MergePace {
  readonly percent: number;
  readonly paused: boolean;
}

export interface OwnedVolumeParts {
  readonly engine: Engine;
  readonly journal: Journal;
  readonly log: (line: string) => void;
  /** The policy of a snapshot; undefined: the default one. */
  readonly policy: (snapshot: string) => SnapshotSpec | undefined;
  /** How a merge that goes on from the last time is to go on. */
  readonly pace: () => MergePace;
}

export class OwnedVolume {
  readonly name: string;
  readonly spec: VolumeSpec;
  readonly #parts: OwnedVolumeParts;
  /** False: it is just being added, and nobody has heard of it. */
  isTold = true;
  /** It is being removed: nothing is begun with it any more. */
  isLeaving = false;
  #state: OwnedState = "closed";
  #problem: ProblemDetails | undefined;
  #volume: Volume | undefined;
  readonly #turns = new Turns();
  /** Gives up what is being opened. */
  #closer = new AbortController();

  constructor(name: string, spec: VolumeSpec, parts: OwnedVolumeParts) {
    this.name = name;
    this.spec = spec;
    this.#parts = parts;
  }

  get state(): OwnedState {
    return this.#state;
  }

  /** Why it has failed. */
  get problem(): ProblemDetails | undefined {
    return this.#problem;
  }

  /** While it is open. */
  get opened(): Volume | undefined {
    return this.#state === "open" && !this.isLeaving ? this.#volume : undefined;
  }

  /** Throws a Problem (not-open) that says what it is. */
  get volume(): Volume {
    if (this.isLeaving) throw new Problem("not-open", `volume ${this.name} is being removed`);
    const volume = this.opened;
    if (volume !== undefined) return volume;
    const why = this.#problem === undefined ? this.#state : `${this.#state}: ${this.#problem.detail}`;
    const isSoon = this.#state === "opening";
    throw new Problem("not-open", `volume ${this.name} is ${why}`, {
      ...(isSoon ? { retry: "backoff" } : { hint: this.#problem?.hint ?? "open it: snapring volume open NAME" }),
    });
  }

  /** Resolves when it is open, also where it was. Rejects with a Problem: then it is `failed`. */
  open(how: { readonly invalidateMissing?: boolean | undefined } = {}): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#state === "open") return;
      this.#become("opening");
      this.#closer = new AbortController();
      try {
        const { percent, paused } = this.#parts.pace();
        const volume = await this.#open(how.invalidateMissing === true, percent);
        // Before its second step.
        if (paused && volume.stats().merge !== undefined) volume.pauseMerge();
        this.#volume = volume;
        this.#listen(volume);
        this.#become("open");
      } catch (error) {
        throw this.#failed(error);
      }
    });
  }

  /** It is served no more. Rejects with a Problem where a device does not answer. `signal`: clients have no more time. */
  close(signal?: AbortSignal): Promise<void> {
    this.#closer.abort();
    return this.#turns.take(async () => {
      const volume = this.#volume;
      this.#volume = undefined;
      if (volume === undefined) return;
      this.#become("closing");
      try {
        await volume.close(signal === undefined ? {} : { signal });
      } catch (error) {
        throw this.#failed(error);
      }
      this.#become("closed");
    });
  }

  #open(abandonMissing: boolean, mergePercent: number): Promise<Volume> {
    const { engine, log, policy } = this.#parts;
    const { origin, readOnly = false, trim, direct } = this.spec;
    return engine.openVolume(
      {
        name: this.name,
        origin,
        readOnly,
        abandonMissing,
        mergePercent,
        trim,
        direct: direct ?? "auto",
        registered: ({ name }) =>
          openingOptions(policy(name) ?? {}, (why) => log(`${this.name}@${name} has the default policy, for ${why}`)),
        log,
      },
      { signal: this.#closer.signal },
    );
  }

  #listen(volume: Volume): void {
    const { journal } = this.#parts;
    volume.on("snapshot", (snapshot, event, reason, details) => {
      if (event === "merge-progress") return;
      const data = reason === "" ? { ...details } : { ...details, reason };
      journal.add({ type: "snapshot", volume: this.name, snapshot, data });
    });
    const clients = new ClientEvents((event) => journal.add({ ...event, volume: this.name }));
    volume.on("client", (...news) => clients.hear(...news));
    volume.on("close", () => clients.close());
    volume.on("error", (error) => {
      if (this.#volume !== volume) return;
      this.#volume = undefined;
      this.#failed(error);
      // Its clients have been cut off; what it holds is let go.
      this.#turns.take(() => volume.close()).catch(() => {});
    });
  }

  #become(state: OwnedState): void {
    this.#state = state;
    if (state !== "failed") this.#problem = undefined;
    if (state !== "closing") this.#tell(state);
  }

  #failed(error: unknown): Problem {
    const problem = problemOf(error, `volume ${this.name}`);
    this.#problem = problem.details;
    this.#state = "failed";
    this.#tell("failed");
    return problem;
  }

  #tell(state: Exclude<OwnedState, "closing">): void {
    if (!this.isTold) return;
    const data = this.#problem === undefined ? undefined : { problem: this.#problem };
    this.#parts.journal.add({ type: `volume-${state}`, volume: this.name, data });
  }
}
