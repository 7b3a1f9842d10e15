/**
 * A flame graph of each thread: `node --prof` writes a log for every thread, clinic flame's analysis and page show one each.
 *
 * clinic's own collector takes one log only, whichever comes first. Ticks of native code (the addon, system calls by their library) are
 * in it; time that a thread sleeps in its ring is, too, as its lowest frame.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadFlame, loadLogToTicks, type Tick } from "./clinic.ts";
import { type ProfiledRun, runProfiled } from "./profile-load.ts";
import { roleOf } from "./profile-role.ts";

/** The pages. */
export async function flameProfile(profiled: ProfiledRun): Promise<string[]> {
  const logs = join(profiled.output, "logs");
  mkdirSync(logs);
  await runProfiled(["--prof", `--logfile=${join(logs, "v8.log")}`], profiled);
  const pages: string[] = [];
  for (const [i, name] of readdirSync(logs)
    .filter((log) => log.endsWith("v8.log"))
    .entries()) {
    const ticks = await loadLogToTicks()(join(logs, name), { pathToNodeBinary: process.execPath, collectDelay: 0 });
    if (ticks.length === 0) continue;
    pages.push(await page(profiled, `${roleOf(namesIn(ticks))}-${i}`, ticks));
  }
  rmSync(logs, { recursive: true });
  if (pages.length === 0) throw new Error("no thread has left a profile");
  return pages;
}

function* namesIn(ticks: readonly Tick[]): Generator<string> {
  for (const stack of ticks) for (const frame of stack) yield frame.name;
}

/** Files and names as clinic flame's collector leaves them. */
async function page(profiled: ProfiledRun, name: string, ticks: readonly Tick[]): Promise<string> {
  const folder = join(profiled.output, `${name}.clinic-flame`);
  mkdirSync(folder);
  const systemInfo = {
    mainDirectory: dirname(profiled.program[0]),
    pathSeparator: "/",
    nodeVersions: process.versions,
    toolVersion: "",
  };
  const write = (kind: string, value: unknown): void =>
    writeFileSync(join(folder, `${name}.clinic-flame-${kind}`), JSON.stringify(value));
  write("samples", ticks);
  write("inlinedfunctions", {});
  write("systeminfo", systemInfo);
  const html = join(profiled.output, `${name}.html`);
  const flame = new (loadFlame())();
  await new Promise<void>((resolve, reject) => {
    flame.visualize(folder, html, (error) => (error ? reject(error) : resolve()));
  });
  rmSync(folder, { recursive: true });
  return html;
}
