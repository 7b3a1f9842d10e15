/**
 * The process under load: the built library on real threads, with orders from its parent.
 *
 *   parent ── { id, order, … } ──▶ create, drop, merge, grow, facts, close ── { id, result | error } ──▶ parent
 *                                   snapshot events, deaths ── { event, … } ──────────────────────────────────▶
 *
 * Nothing but the volume lives here, so that its memory and its descriptors are the volume's.
 */
import { readdirSync, truncateSync } from "node:fs";
import type { SnapshotOptions, Volume, VolumeOptions, VolumeStats } from "../../src/index.ts";

export type Order =
  | { readonly order: "open"; readonly options: VolumeOptions }
  | { readonly order: "create"; readonly options: SnapshotOptions }
  | { readonly order: "drop" | "merge"; readonly name: string }
  | { readonly order: "facts" | "close" }
  | { readonly order: "grow"; readonly name: string; readonly cow: string; readonly bytes: number };

export interface Facts {
  readonly stats: VolumeStats;
  readonly residentBytes: number;
  readonly descriptors: number;
}

export interface Message {
  readonly id?: number;
  readonly result?: Facts | undefined;
  readonly error?: string;
  /** A snapshot's event, or "died". */
  readonly event?: string;
  readonly name?: string;
}

let volume: Volume | undefined;

async function obey(order: Order): Promise<Facts | undefined> {
  if (order.order === "open") return void (await open(order.options));
  if (volume === undefined) throw new Error("the volume is not open");
  switch (order.order) {
    case "create":
      return void (await volume.createSnapshot(order.options));
    case "drop":
      return void (await volume.dropSnapshot(order.name));
    case "merge":
      return void (await volume.startMerge(order.name));
    case "grow":
      truncateSync(order.cow, order.bytes);
      return void volume.growSnapshot(order.name);
    case "facts":
      return {
        stats: volume.stats(),
        residentBytes: process.memoryUsage.rss(),
        descriptors: readdirSync("/proc/self/fd").length,
      };
    case "close":
      await volume.close();
      return void (volume = undefined);
  }
}

async function open(options: VolumeOptions): Promise<void> {
  const built = new URL("../../dist/src/index.js", import.meta.url).href;
  const { openVolume } = (await import(built)) as typeof import("../../src/index.ts");
  volume = await openVolume({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
  volume.on("snapshot", (name, event, error) => say({ event, name, error }));
  volume.on("error", (error) => say({ event: "died", error: error.message }));
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
