/**
 * `npm run powercut`: lives of a volume on lying devices, recorded, and cut at every moment in every way.
 *
 *   --images N    (10000) images to look at
 *   --kernel N    (50) stores that the real kernel loads, at least; 0 where it cannot be run
 *   --seed N      the first recording's seed; by default another one each time. Threads are real: a seed gives the same clients
 *                 and cuts, not the same moments
 *   --kind K      plain, live, merge, full or killed; by turns if it is not given
 *
 * The images of a failure are kept in var/power-cut/.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missingForOracle } from "../support/dm-oracle.ts";
import { emptyTally, runRecording, type Share, type Tally } from "./campaign.ts";
import { KINDS, type SceneKind } from "./scene.ts";

/** Every prefix of a usual recording, and as many reorders. */
const IMAGES_PER_RECORDING = 500;

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "10000" },
    kernel: { type: "string", default: "50" },
    seed: { type: "string" },
    kind: { type: "string" },
  },
});

const images = Number(values.images);
const kernel = Number(values.kernel);
const first = Number(values.seed ?? Date.now() % 1_000_000);
const kinds = (values.kind === undefined ? KINDS : [values.kind]) as readonly SceneKind[];
if (kinds.some((kind) => !KINDS.includes(kind))) throw new Error(`there is no kind ${values.kind}`);
const missing = missingForOracle();
if (kernel > 0 && missing.length > 0)
  throw new Error(`the kernel cannot be run: ${missing.join(", ")} not found; --kernel 0`);

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
