/**
 * What main may ask an opening thread for: each a task with a beginning and an end (workers/opening-worker.ts, engine/opening-pool.ts).
 *
 *   openDevice      open and lock a device                              descriptors, facts
 *   reopenBuffered  the same device, no longer for direct I/O           another descriptor
 *   signature       what stands on a COW device that is to be blank     words
 *   makeCowFile     a COW file, and its space                           which file it is; meanwhile how far it is, by the port
 *   takeAway        a COW file that was made for nothing
 *   flush           what clients wrote, at the end                      0, or an error number
 *   sizeNow         how large a device is by now                        bytes
 *   freeBytes       what its file system has left                       bytes
 *   growFile        a COW file that is to be larger                     bytes
 *   canBeKept       may the register of this origin be written?
 *   (register)      what files say of the register, and marks on them   register-tasks.ts
 *   abandonAll      registered snapshots are given up                   lines for the log
 *   loadStore       read a store and build its table                    in two steps, between which main is asked:
 *
 *   opening thread                                             main
 *   read ── `long`: it takes its time ────────────────────────▶ other threads start
 *        ── `found`: list, digest, or the refusal ────────────▶ register: is it the one? ── no ──▶ port closed: the task ends
 *   build ◀──────────────────────── `build`: table, Invalid? ── yes
 *   the task's answer: state of the table ────────────────────▶ TableWriter goes on
 *
 * A store with nothing to build has no second step: `found` is its answer. Everything that travels is a plain value, shared memory, or the port.
 */
import { fdatasyncSync, statfsSync } from "node:fs";
import type { MessagePort } from "node:worker_threads";
import { errnoOf, SnapringError } from "../base/errno.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { DeviceFile, type OpenedFile } from "../device/device-file.ts";
import { type FileGrowth, growFile } from "../device/file-growth.ts";
import { type FileSpace, makeFile } from "../device/new-file.ts";
import { type PlacedFile, placedFile, removePlaced } from "../device/placed-file.ts";
import { type AbandonOrder, abandonAll, markInvalid } from "../register/abandon.ts";
import { signatureOf, storeOn } from "../register/blank.ts";
import { canKeepRegister } from "../register/register-place.ts";
import type { TableState } from "../table/table-writer.ts";
import { type DeviceOrder, type OpenedDevice, openDevice, reopenBuffered, type Reopened } from "./open-device.ts";
import { REGISTER_TASKS } from "./register-tasks.ts";
import { type FoundList, type StoreOrder, StoreReading } from "./store-reading.ts";

/** That main and the thread share for each task (engine/opening-call.ts). */
export const TASK_WORDS = 2;

/** What goes with every order. */
export interface TaskMeans {
  /** The first one not 0: nobody wants it any more. */
  readonly stop: Int32Array;
  /** Of a conversation. */
  readonly port: MessagePort | undefined;
}

/** From the thread. */
export type LoadWord = { readonly kind: "long" } | { readonly kind: "found"; readonly found: FoundList };

/** To the thread. */
export interface BuildOrder {
  /** An empty table. */
  readonly table: SharedArrayBuffer;
  /** The register calls the store Invalid, and its header does not yet (S-70). */
  readonly invalid: boolean;
}

/** `table` undefined: there was nothing to build, or main did not want it any more. */
export interface LoadEnd {
  readonly found: FoundList;
  readonly table: TableState | undefined;
}

export interface CowFileOrder {
  readonly path: string;
  readonly bytes: number;
  readonly space: FileSpace;
}

export const OPENING_TASKS = {
  openDevice: (order: DeviceOrder): OpenedDevice => openDevice(order),
  reopenBuffered: (device: Pick<OpenedDevice, "order" | "file" | "fd">): Reopened => reopenBuffered(device),
  signature: (opened: OpenedFile): string | undefined => {
    const file = new DeviceFile(opened);
    return storeOn(file) ?? signatureOf(file);
  },
  makeCowFile,
  takeAway: (file: PlacedFile): void => removePlaced(file),
  canBeKept: (origin: string): boolean => canKeepRegister(origin),
  flush: (fd: number): number => {
    try {
      fdatasyncSync(fd);
      return 0;
    } catch (error) {
      return errnoOf(error as Error);
    }
  },
  freeBytes: (fd: number): number => {
    const { bfree, bsize } = statfsSync(`/proc/self/fd/${fd}`);
    return bfree * bsize;
  },
  growFile: (growth: FileGrowth): number => growFile(growth),
  sizeNow: ({ fd }: OpenedFile): number => deviceFacts(fd).sizeBytes,
  ...REGISTER_TASKS,
  abandonAll: (order: AbandonOrder): readonly string[] => abandonAll(order),
  loadStore,
} as const;

export type OpeningTask = keyof typeof OPENING_TASKS;
export type OrderOf<T extends OpeningTask> = Parameters<(typeof OPENING_TASKS)[T]>[0];
export type AnswerOf<T extends OpeningTask> = Awaited<ReturnType<(typeof OPENING_TASKS)[T]>>;

async function makeCowFile(order: CowFileOrder, { stop, port }: TaskMeans): Promise<PlacedFile | undefined> {
  const { path, bytes, space } = order;
  const asked = {
    get aborted(): boolean {
      return Atomics.load(stop, 0) !== 0;
    },
  };
  await makeFile(path, bytes, space, { progress: (done) => port?.postMessage(done), stop: asked });
  return placedFile(path);
}

async function loadStore(order: StoreOrder, { stop, port }: TaskMeans): Promise<LoadEnd> {
  const say = (word: LoadWord): void => port?.postMessage(word);
  const isStopped = (): boolean => Atomics.load(stop, 0) !== 0;
  const reading = new StoreReading(order, { isStopped, takesLong: () => say({ kind: "long" }) });
  const found = reading.read();
  // Main may have closed the port by then, and would not do it again.
  if (isStopped()) throw new SnapringError("ECANCELED", "the opening was given up");
  if (port === undefined || found.loaded.state !== "active") return { found, table: undefined };
  const answered = nextOf(port);
  say({ kind: "found", found });
  const build = await answered;
  if (build === undefined) return { found, table: undefined };
  if (build.invalid) markInvalid(new DeviceFile(order.file));
  return { found, table: reading.build(build.table) };
}

/** Undefined: the other end has been closed. */
function nextOf(port: MessagePort): Promise<BuildOrder | undefined> {
  return new Promise((resolve) => {
    port.once("message", (build: BuildOrder) => resolve(build));
    port.once("close", () => resolve(undefined));
  });
}
