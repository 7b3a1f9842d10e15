/**
 * `npm start`: set up what is not yet, then run the demo (`snapring demo`) in this same process, so that a signal to it
 * reaches the one who must drain and commit. (The script begins with `exec` for the same reason: the shell that npm starts would
 * take the signal that npm forwards, and leave the server behind.)
 *
 * Until the demo has its handlers, SIGINT and SIGTERM end the set-up, and SIGUSR1 does not open node's inspector.
 */
import { join } from "node:path";
import { orOneLine, ROOT, setup } from "./setup.mjs";

process.on("SIGUSR1", () => {});
orOneLine(() => setup({ tests: false }));
const main = join(ROOT, "dist/src/cli/main.js");
process.chdir(ROOT);
process.argv.splice(1, 1, main, "demo");
await import(main);
