/**
 * clinic doctor on the server. It watches the main thread, and the process as a whole; workers have no event loop to watch.
 *
 * Its sampler goes to the main thread only (.ci/clinic/sampler.cjs), hence the command line of our own instead of the one in the
 * NODE_OPTIONS that doctor sets.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CLINIC_FOLDER, loadDoctor } from "./clinic.ts";
import type { ProfiledRun } from "./profile-load.ts";

const START_MS = 30_000;
const POLL_MS = 50;

/** The page. */
export async function doctorProfile(profiled: ProfiledRun): Promise<string[]> {
  const doctor = new (loadDoctor())({ dest: profiled.output });
  const node = [process.execPath, "-r", join(CLINIC_FOLDER, "sampler.cjs"), "--trace-events-enabled"];
  const command = ["env", "-u", "NODE_OPTIONS", ...node, "--trace-event-categories", "v8", ...profiled.program];
  const collected = new Promise<string>((resolve, reject) => {
    doctor.collect(command, (error, folder) => (error ? reject(error) : resolve(folder)));
  });
  const [folder] = await Promise.all([collected, started(profiled.output).then(profiled.drive)]);
  const html = join(profiled.output, "doctor.html");
  await new Promise<void>((resolve, reject) => {
    doctor.visualize(folder, html, (error) => (error ? reject(error) : resolve()));
  });
  return [html];
}

/** The server's process number, which doctor names its folder by. */
async function started(output: string): Promise<number> {
  for (const end = performance.now() + START_MS; performance.now() < end; await delay(POLL_MS)) {
    const name = readdirSync(output).find((entry) => entry.endsWith(".clinic-doctor"));
    if (name !== undefined) return Number.parseInt(name, 10);
  }
  throw new Error("the server has not started");
}
