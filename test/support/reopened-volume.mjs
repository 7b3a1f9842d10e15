/**
 * Opens and closes a volume with one snapshot, again and again, with the built library.
 *
 *   node reopened-volume.mjs ORIGIN COW TIMES
 *
 * Prints what the process has of memory and address space after the second opening, and after TIMES more: [{ resident, mapped }, …], in bytes.
 */
import { readFileSync } from "node:fs";
import { openVolume } from "../../dist/src/index.js";

const [, , origin, cow, times] = process.argv;

async function once() {
  const snapshots = [{ name: "s", cow, size: 2 ** 24 }];
  const volume = await openVolume({ origin, snapshots, workers: 1 });
  await volume.close();
}

function memory() {
  const [mapped, resident] = readFileSync("/proc/self/statm", "latin1").split(" ");
  return { resident: Number(resident) * 4096, mapped: Number(mapped) * 4096 };
}

for (let i = 0; i < 2; i++) await once();
const before = memory();
for (let i = 0; i < Number(times); i++) await once();
console.log(JSON.stringify([before, memory()]));
