/**
 * Looks at, dumps, reads and opens a store with the built code, and says what memory that took.
 *
 *   node large-chunk-memory.mjs ORIGIN COW
 *
 * Prints { exceptions, runs, viewBytes, status, offline, live }: the last two are how much the most resident memory has grown, in bytes,
 * and what opening a volume took of that.
 */
import { readFileSync } from "node:fs";
import { openVolume } from "../../dist/src/index.js";
import { dumpStore } from "../../dist/src/offline/dump-store.js";
import { SnapshotView } from "../../dist/src/offline/snapshot-view.js";
import { storeStatus } from "../../dist/src/offline/store-status.js";

const [, , origin, cow] = process.argv;

/** VmHWM. */
function mostResident() {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return Number(kib) * 1024;
}

const before = mostResident();
const { exceptions } = storeStatus({ cow });
let runs = 0;
dumpStore(
  { cow },
  () => {},
  () => runs++,
);
const view = new SnapshotView({ origin, cow });
let viewBytes = 0;
for (const { bytes } of view.pieces()) viewBytes += bytes.length;
view[Symbol.dispose]();
const offline = mostResident() - before;
const volume = await openVolume({ origin, snapshots: [{ name: "s", cow }], workers: 1 });
const { status } = volume.status("s");
await volume.close();
const live = mostResident() - before - offline;
console.log(JSON.stringify({ exceptions, runs, viewBytes, status, offline, live }));
