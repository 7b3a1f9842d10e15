/**
 * `npm start`: set up what is not yet, then run the demo (`snapring demo`) in this same process, so that a signal to it
 * reaches the one who must drain and commit. (The script begins with `exec` for the same reason: the shell that npm starts would
 * take the signal that npm forwards, and leave the server behind.)
 *
 * `npm start -- COMMAND …` runs any other command of snapring likewise, with paths as seen from the caller's folder: a check-out has no
 * `snapring` to type.
 *
 * Until the demo has its handlers, SIGINT and SIGTERM end the set-up, and SIGUSR1 does not open node's inspector.
 */
import { join } from "node:path";
import { orOneLine, ROOT, setup } from "./setup.mjs";

process.on("SIGUSR1", () => {});
orOneLine(() => setup({ tests: false }));
const main = join(ROOT, "dist/src/cli/main.js");
const isCommand = process.argv[2]?.startsWith("-") === false;
process.chdir(isCommand ? (process.env["INIT_CWD"] ?? process.cwd()) : ROOT);
process.argv.splice(1, 1, main, ...(isCommand ? [] : ["demo"]));
// What the demo tells people to type.
process.env["SNAPRING_TYPED"] = "npm start --";
await import(main);
