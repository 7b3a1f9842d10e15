/** In a thread of opening-faults.mjs: the write of a register is one of the things that are counted there, and refused. Preloaded in all of them. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { getEnvironmentData, isMainThread } from "node:worker_threads";

/** [taken, refused, for good, the last that was refused is this one] */
const state = getEnvironmentData("faults");
if (!isMainThread && state !== undefined) {
  const real = fs.renameSync;
  fs.renameSync = (...paths) => {
    const [taken, refused, forGood] = [Atomics.add(state, 0, 1) + 1, state[1], state[2]];
    if (refused === 0 || (forGood === 1 ? taken < refused : taken !== refused)) return real(...paths);
    state[3] = 1;
    throw Object.assign(new Error("no space left"), { code: "ENOSPC", syscall: "rename" });
  };
  syncBuiltinESMExports();
}
