/** Which thread a profile is of. */
import { expect, test } from "vitest";
import { roleOf } from "../../../bench/profile-role.ts";

test.each([
  ["export-worker", ["(root)", "file:///x/dist/workers/export-worker.js"]],
  ["copy-worker", ["", "drive file:///x/dist/workers/drive.js:20:9", " file:///x/dist/workers/copy-worker.js:17:27"]],
  ["opening-worker", ["onMessage /x/piscina/dist/worker.js:169:25", "file:///x/dist/workers/opening-worker.js:20:8"]],
  ["metadata-worker", [" file:///x/dist/workers/metadata-worker.js:1:1"]],
  ["main", ["file:///x/dist/src/cli/main.js", "turn file:///x/dist/src/engine/core-shell.js:56:9"]],
  ["main", []],
])("%s", (role, frames) => {
  expect(roleOf(frames)).toBe(role);
});
