/**
 * Names that people give: with spaces, quotes, slashes, other alphabets, what a shell, a URL or an object would take for something else, and as long as they may be.
 * As the name of a volume and of a snapshot, by the command, the control socket and the exports; and, in the library, through the register.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { printableLine } from "../../src/base/printable.ts";
import { type Answer, DaemonBench, removeDaemons } from "../support/daemon-bench.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { type Ended, runCommand } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeDaemons);
afterEach(removeVolumes);

const KIB = 1024;
/** On a machine that is busy with other things. */
const TIMEOUT = 600_000;

const NAMES = [
  "with space",
  "q'uo\"te`$(x)",
  "a/b",
  "..",
  ".",
  "100%",
  "%2F%00",
  "?x=1&y#z;",
  "-x",
  "back\\slash",
  "new\nline\ttab",
  "ünïcødé",
  "快照 💾",
  "e\u0301",
  "\u202eabc",
  "constructor",
  "0",
  "x".repeat(255),
  `${"é".repeat(127)}x`,
] as const;

/** Also an @, which divides the two: the first one does. */
const snapshotOf = (name: string): string => (name === "a/b" ? "a@b" : name);

const pathOf = (...parts: readonly string[]): string => `/v1/${parts.map(encodeURIComponent).join("/")}`;

test("volumes and snapshots may have them: by the control socket, as exports, and after a restart", {
  timeout: TIMEOUT,
}, async () => {
  const bench = await DaemonBench.open();
  const expectThere = async (): Promise<void> => {
    const { body } = await bench.ask<{ snapshots: { volume: string; name: string }[] }>("GET", "/v1/snapshots");
    expect(body.snapshots.map(({ volume, name }) => [volume, name]).sort()).toEqual(
      NAMES.map((name) => [name, snapshotOf(name)]).sort(),
    );
    for (const [i, name] of NAMES.entries()) {
      const client = await bench.connect(`${name}@${snapshotOf(name)}`);
      expect(firstDifference(await readAll(client), Buffer.alloc(64 * KIB, i + 1)), name).toBe(-1);
      client.destroy();
    }
  };
  for (const [i, name] of NAMES.entries()) {
    const origin = bench.file(`origin-${i}`);
    writeFileSync(origin, Buffer.alloc(64 * KIB, i + 1));
    expect(await bench.ask("PUT", pathOf("volumes", name), { origin }), name).toMatchObject({
      status: 201,
      body: { name },
    });
    const made = await bench.ask("PUT", pathOf("volumes", name, "snapshots", snapshotOf(name)), { size: 256 * KIB });
    expect(made, name).toMatchObject({ status: 201, body: { volume: name, name: snapshotOf(name) } });
    const client = await bench.connect(name);
    await client.write(0, Buffer.alloc(64 * KIB));
    client.destroy();
  }
  await expectThere();
  await bench.restart();
  await expectThere();
  expect(readdirSync(bench.file("pool")).filter((file) => !/^[\w%.!~*'()@-]+\.[0-9a-f]{8}\.cow$/.test(file))).toEqual(
    [],
  );
  for (const name of NAMES) {
    const path = pathOf("volumes", name, "snapshots", snapshotOf(name));
    expect(await bench.operate("DELETE", path), name).toMatchObject({ state: "done" });
    expect((await bench.ask("DELETE", pathOf("volumes", name))).status).toBe(204);
  }
  expect(readdirSync(bench.file("pool"))).toEqual([]);
});

test("the command takes them as they are, behind -- where they begin with one, and prints nothing that a terminal obeys", {
  timeout: TIMEOUT,
}, async () => {
  const bench = await DaemonBench.open();
  await bench.addVolume("v");
  const said = async (...words: readonly string[]): Promise<Ended> => {
    const ended = await runCommand(
      "env",
      `SNAPRING_CONTROL=unix:${bench.file("control")}`,
      process.execPath,
      MAIN,
      ...words,
    );
    expect([ended.code, ended.stderr], words.join(" ")).toEqual([0, ""]);
    return ended;
  };
  const names = NAMES.map((name) => `v@${snapshotOf(name)}`);
  await said("snapshot", "create", "--size", "256K", "--group", "all of 'em/%", ...names);
  const { stdout } = await said("snapshot", "list", "v", "--json");
  const { snapshots } = JSON.parse(stdout) as { snapshots: { name: string; group: string }[] };
  expect(snapshots.map(({ name }) => `v@${name}`).sort()).toEqual([...names].sort());
  expect(new Set(snapshots.map(({ group }) => group))).toEqual(new Set(["all of 'em/%"]));
  const table = (await said("snapshot", "list", "v")).stdout;
  // A line for each and the titles; what would change a terminal, or begin a line, is escaped.
  const lines = table.trimEnd().split("\n");
  expect(lines).toHaveLength(NAMES.length + 1);
  expect(lines.map(printableLine)).toEqual(lines);
  await said("group", "drop", "all of 'em/%");
  // A volume's name may begin with a dash, too.
  writeFileSync(bench.file("dash"), Buffer.alloc(64 * KIB));
  await said("volume", "add", "--", "-x", bench.file("dash"));
  await said("snapshot", "create", "--size", "256K", "--", "-x@-y");
  expect(JSON.parse((await said("snapshot", "show", "--json", "--", "-x@-y")).stdout)).toMatchObject({
    volume: "-x",
    name: "-y",
  });
  await said("snapshot", "drop", "--", "-x@-y");
  expect((await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
});

test("what can be no name is refused in words, wherever it is asked for, and nothing is made", async () => {
  const bench = await DaemonBench.open();
  await bench.addVolume("v");
  const refused = async (path: string): Promise<Answer<{ detail: string }>> =>
    await bench.ask("PUT", path, { size: 256 * KIB, origin: undefined });
  const asked = {
    "%00": /zero bytes/,
    [encodeURIComponent("a\0b")]: /zero bytes/,
    origin: /live volume/,
    __proto__: /__proto__/,
    [encodeURIComponent("é".repeat(2049))]: /too long/,
  };
  for (const [name, words] of Object.entries(asked)) {
    const answer = await refused(`/v1/volumes/v/snapshots/${name}`);
    expect([answer.status, answer.body.detail], name).toEqual([400, expect.stringMatching(words)]);
  }
  expect(
    (await bench.ask("PUT", pathOf("volumes", `${"x".repeat(255)}x`), { origin: bench.file("v") })).body,
  ).toMatchObject({
    detail: expect.stringMatching(/at most 255 bytes/),
  });
  expect((await bench.ask("GET", "/v1/snapshots")).body).toEqual({ snapshots: [] });
  expect(readdirSync(bench.file("pool"))).toEqual([]);
});

test("the library's register knows every one of them, also __proto__, and opens them all again (E-46)", async () => {
  const names = [...NAMES, "__proto__", "x".repeat(4096), "a@b@c"];
  const volume = await LibraryVolume.create({ sizeBytes: 64 * KIB });
  mkdirSync(volume.scratch.file("cows"));
  for (const [i, name] of names.entries()) {
    const cow = volume.scratch.file(`cows/${i}`);
    await volume.library.createSnapshot({ name, cow, size: 256 * KIB, sparse: true });
  }
  await (await volume.connect()).write(0, Buffer.alloc(64 * KIB));
  await volume.close();
  await volume.open({ registered: true });
  expect(
    volume.library
      .stats()
      .snapshots.map(({ name }) => name)
      .sort(),
  ).toEqual([...names].sort());
  for (const name of names)
    expect(firstDifference(await readAll(await volume.connect(name)), volume.before), name).toBe(-1);
  for (const name of names) await volume.library.dropSnapshot(name);
  expect(await volume.registered()).toEqual({});
});
