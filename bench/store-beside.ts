/**
 * What a volume costs another one of its engine: 4 KiB reads, one at a time, p99.
 *
 *   alone       a, b in one engine: b is read
 *   beside      … while a is under first touches, 32 in flight
 *   apart       the same, but each in a process of its own: what they cost each other by the disk and the processors alone, no thread being shared
 *
 * In turns. Both on one disk, then the one that is read in memory.
 */
import { join, resolve } from "node:path";
import { run } from "./child.ts";
import { ENGINE_SERVER } from "./engine-server-path.ts";
import type { Figures } from "./figures.ts";
import { fioArguments, type Target } from "./fio-job.ts";
import { parseFioResult } from "./fio-result.ts";
import { median } from "./median.ts";
import { writeRandom } from "./place.ts";
import { ServerProcess } from "./server-process.ts";
import { forget, inTmpfs, type Places, TMPFS, volumesIn } from "./store-volumes.ts";
import { type Extent, GIB, randomWorkload, type Workload } from "./workload.ts";

/** Of an origin that is large beside what is written: nearly all are first touches. */
const BYTES: number = GIB;
const READS: Workload = randomWorkload("randread", 1);
const FIRST_TOUCHES: Workload = randomWorkload("randwrite", 32);

export async function measureBeside(figures: Figures, folder: string, rounds: number, seconds: number): Promise<void> {
  await inTmpfs(async () => {
    writeRandom(join(folder, "a"), BYTES);
    const places = { "on the same disk": folder, "in memory": TMPFS } as const;
    for (const [where, place] of Object.entries(places)) {
      writeRandom(join(place, "b"), BYTES);
      await measureIn(figures, { a: folder, b: place }, where, rounds, seconds);
    }
  });
}

async function measureIn(
  figures: Figures,
  places: { readonly a: string; readonly b: string },
  where: string,
  rounds: number,
  seconds: number,
): Promise<void> {
  const { a, b } = places;
  const found = { alone: [] as number[], beside: [] as number[], apart: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    await withServers([places], async ([uriOf]) => {
      found.alone.push(await p99(uriOf("b"), READS, seconds, round));
      found.beside.push(await p99Beside(uriOf("b"), uriOf("a"), seconds, round));
    });
    await withServers([{ a }, { b }], async ([ofA, ofB]) => {
      found.apart.push(await p99Beside(ofB("b"), ofA("a"), seconds, round));
    });
  }
  figures.report(`4 KiB reads of a volume ${where}, one at a time, alone: p99`, median(found.alone), "µs");
  figures.report("  while another volume is under first touches: p99", median(found.beside), "µs");
  figures.report("  while one of another process is: p99", median(found.apart), "µs");
  const ratio = (to: readonly number[]): number => median(found.beside.map((one, round) => one / to[round]));
  figures.report(`  beside : alone (median of ${rounds} rounds)`, ratio(found.alone), "×");
  figures.report("  beside : apart", ratio(found.apart), "×");
}

async function p99Beside(uri: string, other: string, seconds: number, round: number): Promise<number> {
  const load = p99(other, FIRST_TOUCHES, seconds + 1, round);
  const found = await p99(uri, READS, seconds, round);
  await load;
  return found;
}

/** In microseconds. */
async function p99(uri: string, workload: Workload, seconds: number, round: number): Promise<number> {
  const extent: Extent = { originBytes: BYTES, seconds, warmUpSeconds: 0, scale: 1 };
  const targets: Target[] = [{ kind: "nbd", uri }];
  const args = fioArguments({ workload, phase: "measured", targets, extent, round, listPath: "" });
  return parseFioResult(await run(["fio", ...args]), "nbd").p99Us;
}

type UriOf = (name: string) => string;

/** A process for each set of volumes. */
async function withServers(sets: readonly Places[], body: (uris: readonly UriOf[]) => Promise<void>): Promise<void> {
  const servers: ServerProcess[] = [];
  try {
    const uris: UriOf[] = [];
    for (const places of sets) {
      const [[name, folder]] = Object.entries(places);
      const socket = resolve(folder, `${name}.socket`);
      const uriOf = (volume: string): string => `nbd+unix:///${volume}?socket=${socket}`;
      const options = { engine: { listen: [`unix:${socket}`] }, volumes: volumesIn(places, BYTES) };
      const server = new ServerProcess([process.execPath, ENGINE_SERVER, JSON.stringify(options)]);
      servers.push(server);
      for (const volume of Object.keys(places)) await server.ready(uriOf(volume), socket, new AbortController().signal);
      uris.push(uriOf);
    }
    await body(uris);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    for (const places of sets) forget(places);
  }
}
