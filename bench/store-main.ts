/**
 * What the thread costs that decides for all volumes of an engine: first touches of 16 volumes on a tmpfs, CPU time of main for each, and messages; what
 * it could decide if it did nothing else.
 *
 * This process is the server: main is its first thread, whose time the kernel tells.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Outbox } from "../src/ring/outbox.ts";
import { RingConsumer } from "../src/ring/spsc-ring.ts";
import { type Engine, openEngine } from "../src/index.ts";
import { run } from "./child.ts";
import type { Figures } from "./figures.ts";
import { type FioResult, parseFioResult } from "./fio-result.ts";
import { writeRandom } from "./place.ts";
import { parseThreadSeconds } from "./proc-text.ts";
import { forget, inTmpfs, type Places, TMPFS, volumesIn } from "./store-volumes.ts";
import { MIB } from "./workload.ts";

const VOLUMES = 16;
const BYTES: number = 64 * MIB;

export async function measureMain(figures: Figures): Promise<void> {
  const places = Object.fromEntries(Array.from({ length: VOLUMES }, (_, i) => [`v${i}`, TMPFS]));
  await inTmpfs(async () => {
    for (const side of ["snapshot", "origin"] as const) {
      for (const name of Object.keys(places)) writeRandom(join(TMPFS, name), BYTES);
      const engine = await engineOf(places);
      try {
        await measureSide(figures, engine, Object.keys(places), side);
      } finally {
        await engine.close();
        forget(places);
      }
    }
  });
}

async function engineOf(places: Places): Promise<Engine> {
  const engine = await openEngine({ listen: [`unix:${join(TMPFS, "s")}`] });
  for (const volume of volumesIn(places, BYTES)) await engine.openVolume(volume);
  return engine;
}

async function measureSide(
  figures: Figures,
  engine: Engine,
  names: readonly string[],
  side: "snapshot" | "origin",
): Promise<void> {
  const exports = names.map((name) => (side === "origin" ? name : `${name}@s`));
  const quarter = BYTES / 4;
  await firstTouches(engine, exports, 0, quarter);
  using messages = new MessageCount();
  const before = mainSeconds();
  const { ios, iops } = await firstTouches(engine, exports, quarter, BYTES - quarter);
  const seconds = mainSeconds() - before;
  figures.report(`first touches of the ${side}s of ${VOLUMES} volumes on a tmpfs`, iops, "/s");
  figures.report("  messages to and from main for each", messages.count / ios, "");
  figures.report("  CPU time of main for each", (seconds * 1e6) / ios, "µs");
  figures.report("  CPU time of main for each message", (seconds * 1e6) / messages.count, "µs");
  figures.report("  what main could decide, if it did nothing else", ios / seconds, "/s");
}

/** Each block of a region once, in random order, eight in flight for each volume. */
async function firstTouches(
  engine: Engine,
  exports: readonly string[],
  offset: number,
  bytes: number,
): Promise<FioResult> {
  const args = ["--thread", "--output-format=json", "--eta=never", "--ioengine=nbd", "--rw=randwrite", "--bs=4k"];
  args.push("--iodepth=8", `--offset=${offset}`, `--size=${bytes}`);
  for (const name of exports) args.push("--name=writes", `--uri=${engine.uris(name)[0]}`);
  return parseFioResult(await run(["fio", ...args]), "nbd");
}

/** CPU time of this process's first thread. */
function mainSeconds(): number {
  return parseThreadSeconds(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8"));
}

/** Counts what main takes from its rings and puts into them, as long as it is there. */
class MessageCount implements Disposable {
  count = 0;
  readonly #advance = RingConsumer.prototype.advance;
  readonly #begin = Outbox.prototype.begin;

  constructor() {
    const counter = this;
    const [advance, begin] = [this.#advance, this.#begin];
    RingConsumer.prototype.advance = function count(): void {
      counter.count += 1;
      advance.call(this);
    };
    Outbox.prototype.begin = function count(kind: number, volume: number, token: number): number {
      counter.count += 1;
      return begin.call(this, kind, volume, token);
    };
  }

  [Symbol.dispose](): void {
    RingConsumer.prototype.advance = this.#advance;
    Outbox.prototype.begin = this.#begin;
  }
}
