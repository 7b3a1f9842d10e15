/** Which thread a profile is of. */
import { expect, test } from "vitest";
import { roleOf } from "../../../bench/profile-role.ts";

test.each([
  ["export-worker", ["(root)", "file:///x/dist/workers/export-worker.js"]],
  [
    "copy-worker",
    ["", "onMessage /x/piscina/dist/worker.js:169:25", "copyWorker file:///x/dist/workers/copy-worker.js:17:27"],
  ],
  ["metadata-worker", [" file:///x/dist/workers/metadata-worker.js:1:1"]],
  ["main", ["file:///x/dist/src/cli/main.js", "turn file:///x/dist/src/engine/core-shell.js:56:9"]],
  ["main", []],
])("%s", (role, frames) => {
  expect(roleOf(frames)).toBe(role);
});
