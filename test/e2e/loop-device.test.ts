/**
 * A file system on the live volume: nbdfuse presents the export as a file, losetup makes a block device of it, ext4 is mounted
 * and written. Snapshots are taken while it is mounted; each is checked as a file system of its own, and its files compared.
 *
 *   ext4 ── /dev/loopN ── nbdfuse ── NBD ── volume ─┬─ origin
 *                                                   └─ snapshots ── NBD ── nbdfuse ── e2fsck, mount read-only
 *
 * The volume's main thread is this one: whoever touches the mounted files must be another process, or main would wait for
 * itself inside a system call.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { afterEach, expect, type TestContext, test } from "vitest";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { runCommand, runOk } from "../support/run-command.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;

/** What nbdfuse has said, and how each of them ended. */
const said: string[] = [];

/** What to undo, last first. */
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step().catch(() => undefined);
  await removeVolumes();
});

/** An export as a block device. */
async function attach(volume: LibraryVolume, name: string): Promise<string> {
  const folder = volume.scratch.file(`fuse-${name}`);
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/disk`;
  const fuse = spawn("nbdfuse", [file, `nbd+unix:///${name}?socket=${volume.socketPath}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  fuse.stderr.on("data", (text: Buffer) => said.push(`nbdfuse ${name}: ${text.toString()}`));
  const ended = new Promise<void>((resolve) => {
    fuse.once("close", (code, signal) => {
      said.push(`nbdfuse ${name} ended with ${code ?? signal}`);
      resolve();
    });
  });
  undo.push(() => unmountFuse(folder, fuse, ended));
  while ((await runCommand("test", "-e", file)).code !== 0) {
    if (fuse.exitCode !== null) throw new Error(`nbdfuse ended with ${fuse.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect((await runOk("stat", "--format=%s", file)).trim()).toBe(String(SIZE));
  const device = (await runOk("losetup", "--find", "--show", file)).trim();
  undo.push(() => runOk("losetup", "--detach", device));
  return device;
}

async function unmountFuse(folder: string, fuse: ChildProcess, ended: Promise<void>): Promise<void> {
  // The loop device lets go of its file a moment after it has been detached.
  for (let i = 0; i < 100; i++) {
    if ((await runCommand("umount", folder)).code === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (fuse.exitCode === null) fuse.kill("SIGTERM");
  await ended;
}

async function mount(volume: LibraryVolume, device: string, name: string, options: string): Promise<string> {
  const place = volume.scratch.file(`mnt-${name}`);
  await runOk("mkdir", place);
  await runOk("mount", "-t", "ext4", "-o", options, device, place);
  undo.push(() => unmount(place, device));
  return place;
}

/**
 * Comes back when the file system has ended. A mount namespace made meanwhile (that of another test, of a container) has a copy of the mount: what
 * is not written yet is written when the last of them goes, and must find its device then. Without this wait those writes met an nbdfuse that had
 * been ended, and the volume missed them.
 */
async function unmount(place: string, device: string): Promise<void> {
  await runOk("umount", place);
  const superblock = device.replace("/dev/", "/sys/fs/ext4/");
  await expect.poll(() => existsSync(superblock), { timeout: 60_000 }).toBe(false);
}

/** Undo the last steps now. */
async function undoLast(steps: number): Promise<void> {
  for (const step of undo.splice(undo.length - steps).reverse()) await step();
}

/** So many files of random content in a folder: first-0, first-STEP, … each longer than the one before. */
const writeFiles = (folder: string, step: number): Promise<string> =>
  shell(
    'for ((i = 0; i < 40; i += $2)); do head -c $((1 + i * 5000)) /dev/urandom > "$1/first-$i"; done',
    folder,
    String(step),
  );

/** Hashes of all files below a folder. */
const hashes = (folder: string): Promise<string> =>
  shell('cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum', folder);

const shell = (script: string, ...args: readonly string[]): Promise<string> =>
  runOk("bash", "-e", "-c", script, "bash", ...args);

/** Whether this machine can do it at all, tried out on a file. */
async function needLoopDevices(skip: TestContext["skip"]): Promise<void> {
  const can = existsSync("/dev/fuse") && (await runCommand("losetup", "--find")).code === 0;
  const tools = await runCommand("bash", "-c", "type nbdfuse mkfs.ext4 e2fsck fsfreeze");
  skip(process.env["SNAPRING_CI"] !== "1" && !(can && tools.code === 0), "no loop devices, fuse or nbdfuse here");
}

test("ext4 on a loop device on the volume: snapshots are whole file systems of their moment", {
  timeout: 240_000,
}, async ({ skip, onTestFailed }) => {
  await needLoopDevices(skip);
  const store = { size: 2 * SIZE, chunkSize: 4096 };
  const volume = await LibraryVolume.create({ sizeBytes: SIZE, snapshots: [{ ...store, name: "blank" }] });
  onTestFailed(() => console.log([...volume.lines, ...said].join("\n")));
  const device = await attach(volume, "origin");
  await runOk("mkfs.ext4", "-q", "-b", "4096", device);
  const live = await mount(volume, device, "live", "rw");
  await writeFiles(live, 1);
  await runOk("fsfreeze", "--freeze", live);
  const thaw = (): Promise<string> => runOk("fsfreeze", "--unfreeze", live);
  undo.push(thaw);
  await volume.library.createSnapshot({ ...store, name: "frozen", cow: volume.cowPath("frozen") });
  await undoLast(1);
  const firstHashes = await hashes(live);
  // What ext4 has not been asked to write is in its journal, or nowhere: a snapshot in full flight needs recovery.
  const busy = runOk("cp", "-r", "/usr/share/doc/libc6", "/usr/share/perl", `${live}/`).catch(() => "");
  await volume.library.createSnapshot({ ...store, name: "busy", chunkSize: 16_384, cow: volume.cowPath("busy") });
  await busy;
  await writeFiles(live, 2);
  await runOk("rm", `${live}/first-1`, `${live}/first-3`);
  const lastHashes = await hashes(live);
  // The file system's mount and its loop device: then the volume has everything.
  await undoLast(2);
  await runOk("e2fsck", "-f", "-n", volume.originPath);
  await undoLast(1);

  const frozen = await attach(volume, "frozen");
  // Frozen: clean but for the mark that it is mounted, so the check needs no journal.
  await runOk("e2fsck", "-f", "-n", frozen);
  expect(await hashes(await mount(volume, frozen, "frozen", "ro,noload"))).toBe(firstHashes);
  await undoLast(1);
  // The snapshot is a volume of its own: it may be written.
  const writable = await mount(volume, frozen, "frozen-rw", "rw");
  await writeFiles(writable, 3);
  await runOk("rm", `${writable}/first-5`);
  await undoLast(1);
  await runOk("e2fsck", "-f", "-n", frozen);

  const inFlight = await attach(volume, "busy");
  const recovered = await mount(volume, inFlight, "busy", "rw");
  expect((await hashes(recovered)).split("\n").filter((line) => line.includes("./first-"))).toEqual(
    firstHashes.trim().split("\n"),
  );
  await undoLast(1);
  await runOk("e2fsck", "-f", "-n", inFlight);

  const again = await attach(volume, "origin");
  await runOk("e2fsck", "-f", "-n", again);
  expect(await hashes(await mount(volume, again, "again", "ro"))).toBe(lastHashes);
  const blank = await volume.connect("blank");
  for (let at = 0; at < SIZE; at += 8 * MIB) {
    expect((await blank.read(at, 8 * MIB)).equals(volume.before.subarray(at, at + 8 * MIB))).toBe(true);
  }
});
