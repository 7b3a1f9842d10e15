/**
 * The process under load: the built library on real threads, with orders from its parent.
 *
 *   parent ── { id, order, … } ──▶ create, drop, merge, grow, facts, close ── { id, result | error } ──▶ parent
 *                                   snapshot events, deaths ── { event, … } ──────────────────────────────────▶
 *
 * One volume with an engine of its own, or, where it was told to start an engine, any number of them on that one. Nothing but the volumes lives here, so
 * that memory and descriptors are theirs.
 */
import { readdirSync, truncateSync } from "node:fs";
import type {
  Engine,
  EngineOptions,
  EngineVolumeOptions,
  SnapshotOptions,
  Volume,
  VolumeOptions,
  VolumeStats,
} from "../../src/index.ts";

/** `volume`: its name. */
export type Order =
  | { readonly order: "start"; readonly options: EngineOptions }
  | { readonly order: "open"; readonly volume: string; readonly options: VolumeOptions }
  | { readonly order: "create"; readonly volume: string; readonly options: SnapshotOptions }
  | { readonly order: "drop" | "merge"; readonly volume: string; readonly name: string }
  | {
      readonly order: "grow";
      readonly volume: string;
      readonly name: string;
      readonly cow: string;
      readonly bytes: number;
    }
  | { readonly order: "close"; readonly volume: string }
  | { readonly order: "facts" | "end" };

export interface Facts {
  /** By the name of the volume. */
  readonly stats: Readonly<Record<string, VolumeStats>>;
  readonly residentBytes: number;
  readonly descriptors: number;
}

export interface Message {
  readonly id?: number;
  readonly result?: Facts | undefined;
  readonly error?: string;
  /** A snapshot's event, or "died". */
  readonly event?: string;
  readonly volume?: string;
  readonly name?: string;
}

let engine: Engine | undefined;
const volumes = new Map<string, Volume>();
const log = (line: string): void => void process.stderr.write(`${line}\n`);

async function obey(order: Order): Promise<Facts | undefined> {
  switch (order.order) {
    case "start":
      engine = await (await library()).openEngine({ ...order.options, log });
      return;
    case "open":
      return void (await open(order.volume, order.options));
    case "create":
      return void (await volumeOf(order).createSnapshot(order.options));
    case "drop":
      return void (await volumeOf(order).dropSnapshot(order.name));
    case "merge":
      return void (await volumeOf(order).startMerge(order.name));
    case "grow":
      truncateSync(order.cow, order.bytes);
      return void (await volumeOf(order).growSnapshot(order.name));
    case "facts":
      return facts();
    case "close":
      await volumeOf(order).close();
      return void volumes.delete(order.volume);
    case "end":
      return void (await engine?.close());
  }
}

function volumeOf({ volume }: { readonly volume: string }): Volume {
  const found = volumes.get(volume);
  if (found === undefined) throw new Error(`volume ${volume} is not open`);
  return found;
}

function facts(): Facts {
  return {
    stats: Object.fromEntries([...volumes].map(([name, volume]) => [name, volume.stats()])),
    residentBytes: process.memoryUsage.rss(),
    descriptors: readdirSync("/proc/self/fd").length,
  };
}

async function library(): Promise<typeof import("../../src/index.ts")> {
  const built = new URL("../../dist/src/index.js", import.meta.url).href;
  return (await import(built)) as typeof import("../../src/index.ts");
}

async function open(name: string, options: VolumeOptions): Promise<void> {
  const inEngine: EngineVolumeOptions = { ...options, name, log };
  const alone = { ...options, log };
  const volume = await (engine === undefined ? (await library()).openVolume(alone) : engine.openVolume(inEngine));
  volumes.set(name, volume);
  volume.on("snapshot", (snapshot, event, error) => say({ event, volume: name, name: snapshot, error }));
  volume.on("error", (error) => say({ event: "died", volume: name, error: error.message }));
}

function say(message: Message): void {
  process.send?.(message);
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (result) => say({ id, result }),
    (error: Error) => say({ id, error: error.message }),
  );
});
process.on("disconnect", () => process.exit(1));
