/**
 * Does the server's memory stay bounded while clients queue far more first touches than it can work on (E-25)?
 *
 *   clients: 4 connections to the snapshot, 4 to the live volume
 *     send 10 000 writes at once, each the first of its chunk ─▶ all answered ─▶ the next 10 000 …
 *   meanwhile: the server's resident memory, four times a second
 *
 * The exception table grows with what was copied; that growth is shown beside.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Figures } from "./figures.ts";
import { growthAfter, type TimedValue } from "./growth.ts";
import { NbdPipeline, writeRequest } from "./nbd-pipeline.ts";
import { parseRssBytes } from "./proc-text.ts";
import { ServerProcess } from "./server-process.ts";
import { SNAPRING } from "./snapring-kinds.ts";
import { GIB, KIB, MIB } from "./workload.ts";

const CONNECTIONS = 8;
const WRITES_AT_ONCE = 10_000;
const WRITE_BYTES = 4 * KIB;
const CHUNK_BYTES = 16 * KIB;
const ORIGIN_BYTES: number = 64 * GIB;
const SAMPLE_MS = 250;
const SETTLED_SECONDS = 1;

export async function measureQueue(figures: Figures, seconds: number): Promise<void> {
  const folder = mkdtempSync(resolve("var", "stores-queue-"));
  const socketFolder = mkdtempSync(join(tmpdir(), "snapring-queue-"));
  const socket = join(socketFolder, "s");
  const origin = join(folder, "origin");
  closeSync(openSync(origin, "w"));
  truncateSync(origin, ORIGIN_BYTES);
  const snapshot = `snap=${join(folder, "cow")},size=${ORIGIN_BYTES / GIB}G,chunk=${CHUNK_BYTES / KIB}K`;
  const server = new ServerProcess(
    [process.execPath, SNAPRING, "serve", origin, "--snapshot", snapshot].concat("--listen", `unix:${socket}`),
  );
  try {
    const uri = `nbd+unix:///snap?socket=${socket}`;
    await server.ready(uri, socket, new AbortController().signal);
    await drive(figures, server, socket, seconds);
    await server.stop();
  } catch (error) {
    await server.stop().catch(() => {});
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(socketFolder, { recursive: true, force: true });
  }
}

async function drive(figures: Figures, server: ServerProcess, socket: string, seconds: number): Promise<void> {
  const names = Array.from({ length: CONNECTIONS }, (_, i) => (i % 2 === 0 ? "snap" : "origin"));
  const clients = await Promise.all(names.map((name) => NbdPipeline.open(socket, name)));
  const samples: TimedValue[] = [];
  const tables: TimedValue[] = [];
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const rss = (): number => parseRssBytes(readFileSync(`/proc/${server.pid}/status`, "utf8"));
  const timer = setInterval(() => samples.push({ seconds: elapsed(), value: rss() / MIB }), SAMPLE_MS);
  let batches = 0;
  try {
    while (elapsed() < seconds) {
      await sendBatch(clients, batches++);
      const [{ tableBytes }] = (await server.statistics()).snapshots;
      tables.push({ seconds: elapsed(), value: tableBytes / MIB });
    }
  } finally {
    clearInterval(timer);
    for (const client of clients) client.close();
  }
  const growth = growthAfter(samples, SETTLED_SECONDS);
  figures.report(
    `memory with ${WRITES_AT_ONCE} first-touch writes queued: RSS after ${SETTLED_SECONDS} s`,
    growth.first,
    "MiB",
  );
  figures.report("  largest less smallest RSS from then on", growth.max - growth.min, "MiB");
  figures.report("  slope from then on", growth.slope, "MiB/s");
  figures.report("  slope in the second half", growthAfter(samples, seconds / 2).slope, "MiB/s");
  figures.report("  growth of the exception table", tables[tables.length - 1].value - tables[0].value, "MiB");
  figures.report("  writes", (batches * WRITES_AT_ONCE) / elapsed(), "IOPS");
}

/** Every write of every batch goes to a chunk of its own. */
async function sendBatch(clients: readonly NbdPipeline[], batch: number): Promise<void> {
  const each = WRITES_AT_ONCE / clients.length;
  for (const [c, client] of clients.entries()) {
    const first = (batch * clients.length + c) * each;
    const requests = Array.from({ length: each }, (_, i) =>
      writeRequest(offsetOf(first + i), WRITE_BYTES, batch & 255),
    );
    client.send(requests);
  }
  await Promise.all(clients.map((client) => client.answered()));
}

/** Scattered: an odd step walks through all of a power of two. */
function offsetOf(write: number): number {
  const chunks = ORIGIN_BYTES / CHUNK_BYTES;
  return ((write * 2_592_083) % chunks) * CHUNK_BYTES + WRITE_BYTES;
}
