/**
 * `npm run powercut`: lives of a volume on lying devices, recorded, and cut at every moment in every way (`npm run powercut -- --help`).
 *
 * Threads are real: a seed gives the same clients and cuts, not the same moments. The images of a failure are kept in var/power-cut/.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { count, driver, freshSeed } from "../support/driver.ts";
import { missingForOracle } from "../support/dm-oracle.ts";
import { emptyTally, runRecording, type Share, type Tally } from "./campaign.ts";
import { KINDS, type SceneKind } from "./scene.ts";

/** Every prefix of a usual recording, and as many reorders. */
const IMAGES_PER_RECORDING = 500;

const command = driver(
  "powercut",
  "Records lives of a volume on lying devices, and cuts the power at every moment in every way",
)
  .option("--images <N>", "images to look at", count(1), 10_000)
  .option("--kernel <N>", "stores that the real kernel loads, at least; 0 where it cannot be run", count(0), 50)
  .option("--seed <N>", "the first recording's seed; by default drawn from the clock", count(0))
  .addOption(new Option("--kind <KIND>", "of the lives; by turns if it is not given").choices(KINDS))
  .parse();
const values = command.opts<{ images: number; kernel: number; seed?: number; kind?: SceneKind }>();

const { images, kernel } = values;
const first = values.seed ?? freshSeed();
const kinds: readonly SceneKind[] = values.kind === undefined ? KINDS : [values.kind];
const missing = missingForOracle();
if (kernel > 0 && missing.length > 0)
  command.error(`the kernel cannot be run: ${missing.join(", ")} not found; --kernel 0 does without it`);

console.log(`powercut: seed ${first}, ${images} images`);
const tally = emptyTally();
const began = Date.now();
for (let seed = first; tally.images < images; seed++) {
  const share = shareOf(Math.min(IMAGES_PER_RECORDING, images - tally.images), tally);
  const kind = kinds[(seed - first) % kinds.length];
  try {
    await runRecording(seed, kind, share, tally);
  } catch (error) {
    console.log(`powercut: FAILED: ${(error as Error).message}`);
    keep(error as { images?: readonly Uint8Array[] });
    process.exit(1);
  }
  console.log(`powercut: ${kind} ${seed}: ${summary(tally)}`);
}
if (tally.kernelLoads < kernel) {
  console.log(`powercut: FAILED: ${tally.kernelLoads} stores were loaded by the kernel, ${kernel} were asked for`);
  process.exit(1);
}
console.log(`powercut: seed ${first}: ${summary(tally)}, ${Math.round((Date.now() - began) / 1000)} s, 0 failures`);

function shareOf(count: number, so: Tally): Share {
  const left = Math.max(0, kernel - so.kernelLoads) * (count / (images - so.images));
  return { images: count, library: Math.ceil(count / 125), kernel: Math.ceil(left), merges: Math.ceil(count / 50) };
}

function summary(so: Tally): string {
  const { recordings, requests, events, stores, exceptions, libraryOpens, kernelLoads, merges } = so;
  return (
    `${so.images} images of ${recordings} recordings (${requests} requests, ${events} events), ${stores} active stores with ` +
    `${exceptions} exceptions, ${libraryOpens} opened by the library, ${kernelLoads} by the kernel, ${merges} merged`
  );
}

function keep({ images: bytes }: { images?: readonly Uint8Array[] }): void {
  if (bytes === undefined) return;
  const folder = join(import.meta.dirname, "../../var/power-cut");
  mkdirSync(folder, { recursive: true });
  for (const [device, image] of bytes.entries()) writeFileSync(join(folder, `device-${device}.img`), image);
  console.log(`powercut: the images are in ${folder}`);
}
