/**
 * A volume that makes and drops snapshots when it is told to, for a bench: a program of its own, beside those that ask it.
 *
 *   node pause-server.js '{"origin": …, "cow": …, "size": …, "listen": …, "direct": …}'
 *
 *   stdin   make │ drop                stdout   {"pauseUs": 143} │ {}
 *
 * It ends with its standard input.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { openVolume } from "../src/index.ts";

interface Arguments {
  readonly origin: string;
  readonly cow: string;
  readonly size: number;
  readonly listen: string;
  readonly direct: boolean;
}

const { origin, cow, size, listen, direct } = JSON.parse(process.argv[2]) as Arguments;
// Each drop is a line of the log.
const log = (): void => {};
await using volume = await openVolume({ origin, listen: [listen], direct, log });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "make") say(await volume.createSnapshot({ name: "snap", cow, size }));
  else if (line === "drop") {
    await volume.dropSnapshot("snap");
    rmSync(cow);
    say({});
  }
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
