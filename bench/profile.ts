/**
 * `npm run profile:doctor | profile:flame | profile:cpu`: the built server under a profiler, driven with fio for about ten seconds.
 *
 *   doctor   clinic doctor: main's event loop, CPU, memory; one page of HTML
 *   flame    V8's tick profile of every thread, shown by clinic flame; a page for each thread
 *   cpu      V8's CPU profile of every thread: .cpuprofile files, for the browser's developer tools
 *
 *   demo origin and COW file in var/profile ─▶ serve under the profiler ─▶ fio: random reads, first touches, origin writes
 *      ─▶ SIGTERM, an orderly end ─▶ profiles ─▶ HTML
 *
 * The server is started and ended here, not by clinic's command: that ends programs by `process.exit`, which waits for ever while a
 * worker sleeps in its ring. docs/PERFORMANCE.md tells what else had to be done.
 */
import { Argument } from "commander";
import { mkdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./child.ts";
import { cpuProfile } from "./profile-cpu.ts";
import { driver } from "./driver.ts";
import { doctorProfile } from "./profile-doctor.ts";
import { flameProfile } from "./profile-flame.ts";
import { driveServer } from "./profile-load.ts";
import { SNAPRING } from "./snapring-kinds.ts";

const FOLDER: string = fileURLToPath(new URL("../../var/profile", import.meta.url));
const PROFILERS = { doctor: doctorProfile, flame: flameProfile, cpu: cpuProfile } as const;
const SIZE_MIB = 512;

async function main(): Promise<void> {
  const kind = new Argument("<profiler>").choices(Object.keys(PROFILERS));
  const command = driver(
    "profile:PROFILER",
    "The built server under a profiler, driven with fio for about ten seconds",
  );
  const [name] = command.addArgument(kind).parse().processedArgs as [keyof typeof PROFILERS];
  const data = join(FOLDER, "data");
  const output = join(FOLDER, name);
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  mkdirSync(data, { recursive: true });
  try {
    const origin = join(data, "origin");
    await run(["dd", "if=/dev/urandom", `of=${origin}`, "bs=1M", `count=${SIZE_MIB}`, "status=none"]);
    const socket = join(data, "s");
    const snapshot = `snap=${join(data, "snap.cow")},size=1G`;
    const program = [SNAPRING, "serve", origin, "--snapshot", snapshot, "--listen", `unix:${socket}`];
    const reports = await PROFILERS[name]({ program, output, drive: (pid) => driveServer(pid, socket, data) });
    for (const report of reports) console.log(relative(process.cwd(), report));
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`profile: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
