/** Who stands at a path that a register names: it is looked at without waking anything. */
import { spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { identityAt } from "../../../src/register/identity.ts";
import { makeScratch } from "../../support/free-socket.ts";

test("a FIFO, a folder and a character device are nobody, and are not opened", async () => {
  const scratch = await makeScratch();
  try {
    spawnSync("mkfifo", [scratch.file("fifo")]);
    symlinkSync("/dev/tty", scratch.file("tty"));
    writeFileSync(scratch.file("file"), "");
    const names = ["fifo", "tty", ".", "missing"];
    expect(names.map((name) => identityAt(scratch.file(name)))).toEqual(names.map(() => undefined));
    expect(identityAt(scratch.file("file"))).toMatch(/^file \d+ \d+$/);
  } finally {
    await scratch.remove();
  }
});
