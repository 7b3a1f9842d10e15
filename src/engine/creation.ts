/**
 * Snapshots of one moment, in one volume or in several, made or not made: the order of a program, from its options to its answer.
 *
 *   every volume: prepare ──▶ every volume: make, at the halts together ──▶ pauses
 *        │ one fails, or the signal     │ one fails, or the signal
 *        ▼                              ▼
 *     the others are given up ──▶ every volume: taken back, or dropped where it had been made ──▶ the error of the first that failed
 *
 * All stores are made before any gate closes; how long the gates may be closed is bounded where its user says so (creation-pause.ts). A device that hangs holds up its own volume's part only as long as nobody gives the order up: the others'
 * gates open at once then, and are undone; the order is rejected after CREATION_GRACE_MS, and what hangs is undone when it ends. Runs on main.
 */
import { AbortError, throwIfAborted, whenAborted, whenOverdue } from "../base/abort-error.ts";
import { CREATION_GRACE_MS } from "../base/constants.ts";
import { CreationGroup } from "../core/creation-group.ts";
import type { CreatedGroup, CreatedMember } from "./created.ts";
import type { CreationPart } from "./creation-part.ts";
import { CreationPause } from "./creation-pause.ts";
import type { CreateOptions, SnapshotOptions } from "./volume-options.ts";

/** A volume, as far as a creation needs it. */
export interface CreationVolume {
  readonly name: string;
  /** Throws a SnapringError (ESHUTDOWN, EPERM …) where nothing can be made. */
  part(wanted: readonly SnapshotOptions[], nameOf: (name: string) => string, pause: CreationPause): CreationPart;
  /** Its close waits for the order; rejects when the volume fails meanwhile. */
  during(order: () => Promise<void>): Promise<void>;
}

export interface Wanted {
  readonly volume: CreationVolume;
  readonly snapshot: SnapshotOptions;
}

/** `isGroup`: errors name volumes, too. Rejects with a SnapringError or an AbortError, and then nothing was made. */
export async function create(
  wanted: readonly Wanted[],
  isGroup: boolean,
  { signal: given, maxPauseMs }: CreateOptions,
): Promise<CreatedGroup> {
  throwIfAborted(given);
  using pause = new CreationPause(maxPauseMs, given);
  const { signal } = pause;
  const volumes = [...new Set(wanted.map(({ volume }) => volume))];
  const parts = volumes.map((volume) => {
    const snapshots = wanted.filter((one) => one.volume === volume).map(({ snapshot }) => snapshot);
    return volume.part(snapshots, (name) => (isGroup ? `${volume.name}@${name}` : name), pause);
  });
  let running: Promise<void> | undefined;
  const order = (): Promise<void> => (running ??= run(parts, signal));
  const over = firstFailure(volumes.map((volume) => volume.during(order)));
  try {
    await (signal === undefined ? over : Promise.race([over, overdue(signal, over)]));
  } catch (error) {
    throw pause.tooLong ?? error;
  }
  const pauseOf = ({ closedAt, openedAt }: CreationPart): number => microseconds(openedAt - closedAt);
  const members = wanted.map(
    ({ volume, snapshot: { name } }): CreatedMember => ({
      volume: volume.name,
      name,
      pauseUs: pauseOf(parts[volumes.indexOf(volume)]!),
    }),
  );
  const first = Math.min(...parts.map(({ closedAt }) => closedAt));
  return { pauseUs: microseconds(Math.max(...parts.map(({ openedAt }) => openedAt)) - first), members };
}

async function run(parts: readonly CreationPart[], signal: AbortSignal | undefined): Promise<void> {
  try {
    await prepare(parts, signal);
    throwIfAborted(signal);
  } catch (error) {
    await Promise.all(parts.map((part) => part.takeBack()));
    throw error;
  }
  const group = new CreationGroup(parts);
  const makes = parts.map((part, number) => part.make(group, number));
  const over = Promise.allSettled(makes);
  if (signal !== undefined) whenAborted(signal, () => group.cancel(), over);
  const failure = await firstFailure(makes).then(
    () => (signal?.aborted === true ? new AbortError(signal) : undefined),
    (error: unknown) => (signal?.aborted === true ? new AbortError(signal) : error),
  );
  if (failure === undefined) return;
  // Those that were made before another one's end, or in spite of a signal that came too late, go again.
  const ends = await over;
  await Promise.all(parts.map((part, i) => (ends[i]!.status === "fulfilled" ? part.undo() : part.takeBack())));
  throw failure;
}

/** The first that fails ends the others. */
async function prepare(parts: readonly CreationPart[], signal: AbortSignal | undefined): Promise<void> {
  const closer = new AbortController();
  const stop = signal === undefined ? closer.signal : AbortSignal.any([signal, closer.signal]);
  const all = parts.map(async (part) => {
    try {
      await part.prepare(parts.length === 1 ? signal : stop);
    } catch (error) {
      closer.abort();
      throw error;
    }
  });
  await firstFailure(all);
}

/** Resolves when all have; when all have ended it rejects with what came first. */
async function firstFailure(all: readonly Promise<void>[]): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    all.map((one) =>
      one.catch((error: unknown) => {
        failures.push(error);
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

/** Rejects where the order has not ended so long after the signal: something does not answer. */
function overdue(signal: AbortSignal, over: Promise<void>): Promise<never> {
  return new Promise((_, reject) => {
    whenOverdue(signal, () => reject(new AbortError(signal, true)), over, CREATION_GRACE_MS);
  });
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
