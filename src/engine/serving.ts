/**
 * How a volume comes to be served by the threads of its engine, and how it goes: made by running-volume.ts.
 *
 *   begin   words, counters, the origin's descriptor ─▶ every worker ─▶ the origin's gates and words as the core's ports ─▶ shell, core
 *   end     no client, no copy, no metadata job of it is left ─▶ every worker forgets it ─▶ its devices may be closed
 *
 * Here a volume's options become those of its core. Runs on main.
 */
import { divExact, SECTOR_BYTES } from "../base/units.ts";
import { Core } from "../core/core.ts";
import { type DeviceId, ORIGIN_DEVICE } from "../core/ports.ts";
import { ExportCounter, exportCounters } from "../ring/counters.ts";
import { VolumeWords } from "../ring/volume-words.ts";
import type { ExportControl, FileControl } from "../ring/worker-data.ts";
import type { CompleteOptions } from "./complete-options.ts";
import { CoreShell, type ShellEvents } from "./core-shell.ts";
import type { RunningEngine } from "./running-engine.ts";
import { originPorts } from "./origin-ports.ts";
import type { Threads } from "./threads.ts";
import type { VolumeDevice } from "./volume-device.ts";
import { VolumeStop } from "./volume-stop.ts";

export interface ServingParts {
  readonly engine: RunningEngine;
  readonly threads: Threads;
  /** Its number in the engine. */
  readonly number: number;
  readonly name: string;
  readonly options: CompleteOptions;
  readonly origin: VolumeDevice;
  readonly words: SharedArrayBuffer;
  /** Of the live volume's export. */
  readonly counters: SharedArrayBuffer;
  /** Of a snapshot's export, in each export worker. */
  readonly countersOf: (snapshot: number) => readonly Float64Array[];
  /** The numbers of its devices in every ring. */
  readonly fileOf: (device: DeviceId) => number;
  readonly events: Omit<ShellEvents, "stopped">;
}

export class Serving {
  readonly threads: Threads;
  readonly shell: CoreShell;
  readonly stop: VolumeStop;
  /** Of the live volume's export, in each export worker. */
  readonly counters: readonly Float64Array[];
  readonly #parts: ServingParts;

  private constructor(parts: ServingParts) {
    const { engine, threads, number, options, origin, words } = parts;
    this.#parts = parts;
    this.threads = threads;
    this.counters = threads.exports.map((_, worker) => exportCounters(parts.counters, worker));
    this.stop = new VolumeStop(number, threads.exports);
    const ports = originPorts({
      volume: number,
      words: new VolumeWords(words),
      exportWorkers: threads.exports,
      counters: this.counters,
      countersOf: parts.countersOf,
    });
    const sectors = divExact(origin.file.sizeBytes, SECTOR_BYTES);
    this.shell = new CoreShell({
      switchboard: engine.switchboard,
      volume: number,
      exports: threads.exports,
      copies: threads.copies,
      metadata: engine.metadataFor(number),
      fileOf: parts.fileOf,
      events: {
        ...parts.events,
        stopped: (worker, requests, clients) => this.stop.stopped(worker, requests, clients),
      },
      groupWaitMs: options.groupWaitMs,
      newCore: (effects) =>
        new Core(effects, ports, sectors, {
          early: options.early,
          turns: true,
          fills: options.fills,
          mergePaced: true,
          mergeBatches: options.mergeBatches,
          groupCount: options.groupCount,
          readOnly: options.readOnly,
          originReadOnly: options.originReadOnly,
        }),
    });
  }

  /** Resolves when every worker knows the volume. Rejects with a SnapringError where one cannot take its origin. */
  static async begin(parts: ServingParts): Promise<Serving> {
    const { number, name, options, origin, words, counters } = parts;
    const serving = new Serving(parts);
    const file = parts.fileOf(ORIGIN_DEVICE);
    const volume = {
      ...{ number, name, words, counters },
      origin: origin.describe(file),
      originBytes: origin.file.sizeBytes,
      keepsTrims: options.trim === "keep",
    };
    const { fd, inline } = origin;
    try {
      await serving.tell(
        { kind: "volume", volume, fd, readOnly: options.originReadOnly },
        { file, fd, inline, cow: false },
      );
      return serving;
    } catch (error) {
      await serving.end([]).catch(() => {});
      throw error;
    }
  }

  /** Grows whenever something of the volume has come to an end in a worker; what its snapshots' exports do is theirs. */
  get ended(): number {
    return this.counters.reduce((sum, counters) => sum + counters[ExportCounter.Operations], this.shell.heard);
  }

  /** Resolves when every worker has taken it: `toExports` by export workers, `toOthers` by the others. */
  async tell(toExports: ExportControl, toOthers: FileControl): Promise<void> {
    const { exports, copies, metadata } = this.threads;
    const taken = [
      ...exports.map((channel) => channel.control(toExports)),
      ...[...copies, metadata].map((channel) => channel.control(toOthers)),
    ];
    this.#parts.engine.switchboard.turn();
    // All of them, also where one refuses: what comes after it must find none under way.
    const [refused] = (await Promise.allSettled(taken)).filter((one) => one.status === "rejected");
    if (refused !== undefined) throw refused.reason;
  }

  /** Nothing of the volume is under way: every worker forgets it. `cows`: the numbers of its COW devices. */
  async end(cows: readonly number[]): Promise<void> {
    const gone = [this.#parts.fileOf(ORIGIN_DEVICE), ...cows];
    await this.tell({ kind: "forgetVolume", volume: this.#parts.number }, { gone });
  }
}
