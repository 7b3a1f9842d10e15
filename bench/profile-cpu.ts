/**
 * V8's CPU profile of every thread (`node --cpu-prof`). The files are named by role, like `export-worker-3.cpuprofile`.
 */
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type ProfiledRun, runProfiled } from "./profile-load.ts";
import { roleOf } from "./profile-role.ts";

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: { readonly url: string } }[];
}

/** The files. */
export async function cpuProfile(profiled: ProfiledRun): Promise<string[]> {
  await runProfiled(["--cpu-prof", `--cpu-prof-dir=${profiled.output}`], profiled);
  return readdirSync(profiled.output).map((name, i) => {
    const path = join(profiled.output, name);
    const profile = JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
    const named = join(profiled.output, `${roleOf(profile.nodes.map((node) => node.callFrame.url))}-${i}.cpuprofile`);
    renameSync(path, named);
    return named;
  });
}
