/**
 * What takes long, as things that can be asked about: begun with one request, seen to its end by others, and gone on with after a restart.
 *
 *   start ─▶ written down ─▶ running ─▶ done | failed | cancelled ─▶ written down     the last KEPT that have ended are remembered
 *                              └─ the daemon ends ─▶ running at the next start: `resume` runs it again, one that was cancelled only to its end
 *
 * Each kind has one way to run (`Runner`), which may begin in the middle of itself: what has been done already is found to be done. Operations do not wait for
 * each other here: a snapshot's orders have their turn in the engine, and nothing of one volume waits for another's.
 */
import type { DaemonEventType } from "./daemon-event.ts";
import type { Journal } from "./journal.ts";
import { Problem, type ProblemDetails, problemOf } from "./problem.ts";
import type { OperationRecord } from "./state.ts";
import type { StateFile } from "./state-file.ts";

const KEPT = 200;
/** Of one operation. */
const KEYS_MAX = 100;
/** Its end cannot be written down: tried again. */
const AGAIN_MS = 1000;

export interface Progress {
  /** Of the whole: 0 … 1. */
  readonly fraction: number;
  /** What is left, in `unit`. */
  readonly left?: number | undefined;
  readonly unit?: "chunks" | "bytes" | undefined;
}

/** What the API shows. */
export interface Operation extends Omit<OperationRecord, "problem"> {
  readonly problem?: ProblemDetails | undefined;
  readonly fraction: number;
  /** `unit` in a second; undefined: not yet known. */
  readonly rate?: number | undefined;
  readonly left?: number | undefined;
  readonly unit?: string | undefined;
  readonly etaSeconds?: number | undefined;
}

export interface RunningOperation {
  readonly record: OperationRecord;
  readonly signal: AbortSignal;
  /** The daemon ends, and the operation goes on at its next start: what it throws then is no failure. */
  readonly isStopping: boolean;
  progress(progress: Progress): void;
  /** Durable when it resolves. */
  note(params: Readonly<Record<string, unknown>>): Promise<void>;
}

export type Runner = (operation: RunningOperation) => Promise<Record<string, unknown> | undefined>;

interface Run {
  readonly abort: AbortController;
  readonly begun: number;
  readonly ended: Promise<void>;
  progress: Progress;
  firstFraction: number | undefined;
}

export class Operations {
  readonly #state: StateFile;
  readonly #journal: Journal;
  readonly #runners: Readonly<Record<OperationRecord["kind"], Runner>>;
  readonly #runs = new Map<string, Run>();
  #isStopping = false;

  constructor(state: StateFile, journal: Journal, runners: Readonly<Record<OperationRecord["kind"], Runner>>) {
    this.#state = state;
    this.#journal = journal;
    this.#runners = runners;
  }

  list(): Operation[] {
    return this.#state.now.operations.map((record) => this.#shown(record));
  }

  /** Throws a Problem (not-found). */
  get(id: string): Operation {
    return this.#shown(this.#record(id));
  }

  running(isIt: (record: OperationRecord) => boolean): OperationRecord | undefined {
    return this.#state.now.operations.find((record) => record.state === "running" && isIt(record));
  }

  /** Durable when it resolves; it has begun by then. The same one that is under way is not begun a second time, nor is one that was asked for under this `key` before. */
  async start(
    kind: OperationRecord["kind"],
    where: { readonly volume: string; readonly snapshot: string },
    params: Record<string, unknown> = {},
    key?: string | undefined,
  ): Promise<Operation> {
    const { volume, snapshot } = where;
    const keyed = key === undefined ? {} : { keys: [key] };
    const { record, isNew } = await this.#state.change((state) => {
      const said = state.operations.find(({ params: of }) => hasKey(of, key));
      if (said !== undefined) return { record: sameWish(said, kind, where), isNew: false };
      const same = state.operations.find(
        (one) => one.state === "running" && one.kind === kind && one.volume === volume && one.snapshot === snapshot,
      );
      if (same !== undefined && sameAsked(same.params, params)) {
        if (key !== undefined) same.params["keys"] = withKey(same, key);
        return { record: same, isNew: false };
      }
      if (same !== undefined)
        throw new Problem("busy", `${volume}@${snapshot}: operation ${same.id} (${kind}) is under way already`);
      const id = `op-${state.nextOperation}`;
      const created = new Date().toISOString();
      const made: OperationRecord = {
        id,
        kind,
        volume,
        snapshot,
        state: "running",
        created,
        params: { ...params, ...keyed },
      };
      state.nextOperation += 1;
      state.operations.push(made);
      forget(state.operations);
      return { record: made, isNew: true };
    });
    if (isNew) this.#tellBegin(record);
    if (record.state === "running" && !this.#runs.has(record.id)) this.#begin(record);
    return this.#shown(record);
  }

  /** What was asked for under this key. Throws a Problem (differs): it was something else. */
  saidBefore(
    kind: OperationRecord["kind"],
    where: { readonly volume: string; readonly snapshot: string },
    key: string | undefined,
  ): Operation | undefined {
    const said = this.#state.now.operations.find(({ params }) => hasKey(params, key));
    return said === undefined ? undefined : this.#shown(sameWish(said, kind, where));
  }

  /** Those that the last daemon left behind, of one volume. */
  resume(volume: string): void {
    for (const record of this.#state.now.operations)
      if (record.state === "running" && record.volume === volume && !this.#runs.has(record.id)) this.#begin(record);
  }

  /** It ends as soon as it can, after a restart, too; what it has done stays. Durable when it resolves. Rejects with a Problem: not-found, state-unwritable. */
  async cancel(id: string): Promise<Operation> {
    const record = this.#record(id);
    const run = this.#runs.get(id);
    if (record.state !== "running") return this.#shown(record);
    await this.#note(id, { cancelled: true });
    if (run !== undefined) run.abort.abort();
    // Its volume is not open, and may never be again. A merge is the register's, too: it ends when the volume is opened.
    else if (record.kind !== "merge") {
      const { details } = new Problem("cancelled", "it was cancelled while its volume was not open");
      await this.#ended(record, { state: "cancelled", problem: { ...details } });
    }
    return this.#shown(record);
  }

  /** What the last daemon had written down of them, and was killed before it could tell it. */
  tellMissed(): void {
    for (const record of this.#state.now.operations) {
      const { id, created, ended } = record;
      if (!this.#isTold("operation-started", id, created)) this.#tellBegin(record);
      if (ended !== undefined && !this.#isTold("operation-ended", id, ended)) this.#tellEnd(record);
    }
  }

  /** As `get`, when it has ended, or after so many seconds. */
  async wait(id: string, seconds: number, signal?: AbortSignal): Promise<Operation> {
    const run = this.#runs.get(id);
    if (run !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, seconds * 1000);
        signal?.addEventListener("abort", resolve, { once: true });
      });
      await Promise.race([run.ended, late]);
      clearTimeout(timer);
    }
    return this.get(id);
  }

  /** None is begun any more, and what ends now ends with the daemon. */
  stopping(): void {
    this.#isStopping = true;
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await Promise.allSettled([...this.#runs.values()].map(({ ended }) => ended));
  }

  #record(id: string): OperationRecord {
    const record = this.#state.now.operations.find((one) => one.id === id);
    if (record === undefined) throw new Problem("not-found", `there is no operation ${id}`, { retry: "never" });
    return record;
  }

  #begin(record: OperationRecord): void {
    const abort = new AbortController();
    if (record.params["cancelled"] === true) abort.abort();
    // The run is known before it can end.
    const ended = Promise.resolve().then(() => this.#run(record, abort.signal));
    this.#runs.set(record.id, {
      abort,
      begun: performance.now(),
      ended,
      progress: { fraction: 0 },
      firstFraction: undefined,
    });
  }

  async #run(record: OperationRecord, signal: AbortSignal): Promise<void> {
    const stopping = (): boolean => this.#isStopping;
    const end = await this.#runners[record.kind]({
      record,
      signal,
      get isStopping() {
        return stopping();
      },
      progress: (progress) => this.#progress(record.id, progress),
      note: (params) => this.#note(record.id, params),
    }).then(
      (result): Partial<OperationRecord> => ({ state: "done", ...(result === undefined ? {} : { result }) }),
      (error: unknown): Partial<OperationRecord> | undefined => {
        const problem = problemOf(error);
        // It goes on at the next start.
        if (this.#isStopping && problem.code === "closing") return undefined;
        return { state: problem.code === "cancelled" ? "cancelled" : "failed", problem: { ...problem.details } };
      },
    );
    if (end !== undefined) await this.#ended(record, end);
    this.#runs.delete(record.id);
  }

  async #ended(record: OperationRecord, end: Partial<OperationRecord>): Promise<void> {
    const { id } = record;
    for (;;) {
      try {
        await this.#state.change((state) => {
          const one = state.operations.find((other) => other.id === id);
          if (one !== undefined) Object.assign(one, end, { ended: new Date().toISOString() });
        });
        break;
      } catch {
        // The state has no room: the operation is not over for anybody before that is written, and runs again at the next start.
        if (this.#isStopping) return;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
    this.#tellEnd({ ...record, ...end });
  }

  #tellBegin({ id, kind, volume, snapshot }: OperationRecord): void {
    this.#journal.add({ type: "operation-started", volume, snapshot, data: { operation: id, kind } });
  }

  #tellEnd({ id, kind, volume, snapshot, state, problem }: OperationRecord): void {
    const data = { operation: id, kind, state, ...(problem === undefined ? {} : { problem }) };
    this.#journal.add({ type: "operation-ended", volume, snapshot, data });
  }

  /** Also where the journal does not reach back to it any more. */
  #isTold(what: DaemonEventType, id: string, time: string): boolean {
    if (!this.#journal.reaches(time)) return true;
    return this.#journal.find(({ type, data }) => type === what && data?.["operation"] === id) !== undefined;
  }

  #progress(id: string, progress: Progress): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.progress = progress;
    run.firstFraction ??= progress.fraction;
  }

  async #note(id: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#state.change((state) => {
      const one = state.operations.find((other) => other.id === id);
      if (one !== undefined) one.params = { ...one.params, ...params };
    });
  }

  #shown(record: OperationRecord): Operation {
    const now = this.#state.now.operations.find(({ id }) => id === record.id) ?? record;
    const { problem, ...rest } = now;
    const told = problem === undefined ? {} : { problem: problem as unknown as ProblemDetails };
    const run = this.#runs.get(record.id);
    if (run === undefined || now.state !== "running")
      return { ...rest, ...told, fraction: now.state === "done" ? 1 : 0 };
    const { fraction, left, unit } = run.progress;
    const seconds = (performance.now() - run.begun) / 1000;
    const done = fraction - (run.firstFraction ?? fraction);
    const perSecond = seconds > 0 ? done / seconds : 0;
    const etaSeconds = perSecond > 0 ? Math.ceil((1 - fraction) / perSecond) : undefined;
    const rate = left === undefined || fraction >= 1 ? undefined : (perSecond * left) / (1 - fraction);
    return { ...rest, ...told, fraction, left, unit, rate, etaSeconds };
  }
}

/** What was noted since is not asked again. */
function sameAsked(had: Record<string, unknown>, asked: Record<string, unknown>): boolean {
  return Object.entries(asked).every(([key, value]) => JSON.stringify(had[key]) === JSON.stringify(value));
}

function keysOf(params: Record<string, unknown>): readonly unknown[] {
  const { keys } = params;
  return Array.isArray(keys) ? keys : [];
}

function hasKey(params: Record<string, unknown>, key: string | undefined): boolean {
  return key !== undefined && keysOf(params).includes(key);
}

/** Each of those who have asked for it may ask again when it has ended. Throws a Problem (busy): they are too many to be remembered. */
function withKey({ id, params }: OperationRecord, key: string): readonly unknown[] {
  const keys = [...keysOf(params), key];
  if (keys.length > KEYS_MAX)
    throw new Problem("busy", `operation ${id} is under way, and was asked for under ${KEYS_MAX} keys already`, {
      hint: `wait for it: snapring operation wait ${id}`,
    });
  return keys;
}

function sameWish(
  said: OperationRecord,
  kind: OperationRecord["kind"],
  { volume, snapshot }: { readonly volume: string; readonly snapshot: string },
): OperationRecord {
  if (said.kind === kind && said.volume === volume && said.snapshot === snapshot) return said;
  const what = `${said.kind} ${said.volume}@${said.snapshot}`;
  throw new Problem("differs", `the Idempotency-Key was that of another request: ${said.id} (${what})`);
}

function forget(operations: OperationRecord[]): void {
  while (operations.length > KEPT) {
    const oldest = operations.findIndex(({ state }) => state !== "running");
    if (oldest < 0) return;
    operations.splice(oldest, 1);
  }
}
