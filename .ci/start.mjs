/**
 * `npm start`: set up what is not yet, then run the demo (`snapring demo`) in this same process, so that a signal to it
 * reaches the one who must drain and commit.
 */
import { join } from "node:path";
import { orOneLine, ROOT, setup } from "./setup.mjs";

orOneLine(() => setup({ tests: false }));
const main = join(ROOT, "dist/src/cli/main.js");
process.chdir(ROOT);
process.argv.splice(1, 1, main, "demo");
await import(main);
