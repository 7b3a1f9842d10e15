/**
 * A file system that hangs from any one of its calls on, while a volume on it is opened, changed and closed: the engine's other volumes are served
 * meanwhile. Main may make none of these calls itself, and threads that serve everybody wait for none.
 */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OPENING_TURNS } from "../../src/base/constants.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { EngineProcess } from "../support/engine-process.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { FuseFolder, requireFuse } from "../support/lying-device/fuse-folder.ts";
import { FuseOp } from "../support/lying-device/fuse-wire.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { NbdClient } from "../support/nbd-client.ts";

const MIB = 2 ** 20;
/** Of the calls of a life, every third, from another one on each time. */
const STEP = 3;
/** Threads of node's, for files and names, in the whole process. */
const HELPERS = 4;
const GOOD: Buffer = dataPattern(MIB, 5);

let scratch: Scratch;
let folder: FuseFolder;
let engine: EngineProcess;
let other: NbdClient;
let lives: number;
/** Calls of this life so far, how many of them wait, and which do; `met` is called then. */
let calls: number;
let waiting: number;
let hangs: (operation: number) => boolean;
let met: () => void;
let until: Promise<void>;
let letGo: () => void;
/** Chunks of the other volume that have been written. */
let touched: number;

beforeEach(async (context) => {
  requireFuse(context);
  scratch = await makeScratch();
  lives = 0;
  touched = 0;
  hangs = () => false;
  letGo = () => {};
  const before = (operation: number): Promise<void> | undefined => {
    calls += 1;
    if (!hangs(operation)) return undefined;
    waiting += 1;
    met();
    return until;
  };
  calls = 0;
  folder = await FuseFolder.mount({ makeFile: () => new TextFile(), before, attributes: true });
  engine = new EngineProcess();
  await engine.engine({ workers: 1, copyWorkers: 1, listen: [`unix:${scratch.file("socket")}`] });
  writeFileSync(scratch.file("good"), GOOD);
  const good = scratch.file("good");
  await engine.open({
    name: "good",
    origin: good,
    snapshots: [{ ...STORE, size: 2 * MIB, name: "kept", cow: `${good}.kept` }],
  });
  other = await NbdClient.open({ path: scratch.file("socket") }, "good");
});

afterEach(async () => {
  letGo();
  other.destroy();
  await engine.kill();
  await folder.unmount();
  await scratch.remove();
});

const STORE = { size: 64 * 1024, chunkSize: 4096 };

/** An origin that is there from now on. */
function newOrigin(): { readonly name: string; readonly origin: string } {
  const name = `disk${lives++}`;
  folder.put(name, new TextFile("\0".repeat(64 * 1024)));
  return { name, origin: folder.path(name) };
}

/** All that asks a file system about anything but data, from an origin that nobody knows to one that has been closed, with a snapshot. */
async function life(): Promise<void> {
  const { name, origin } = newOrigin();
  await engine.open({ name, origin, snapshots: [{ ...STORE, name: "s", cow: `${origin}.s` }] });
  await engine.create(name, { ...STORE, name: "t", cow: `${origin}.t` });
  await engine.grow(name, "s");
  await engine.drop(name, "t");
  await engine.closeVolume(name);
}

/** Such calls wait from now on, until `letGo`. Resolves when one does. */
function hang(which: typeof hangs): Promise<void> {
  calls = 0;
  waiting = 0;
  hangs = which;
  until = new Promise((resolve) => {
    letGo = () => {
      hangs = () => false;
      resolve();
    };
  });
  return new Promise<void>((resolve) => {
    met = resolve;
  });
}

/** By main, too: a client that comes, and the first touch of a chunk. */
async function othersAreServed(): Promise<void> {
  const writer = await NbdClient.open({ path: scratch.file("socket") }, "good");
  const at = (touched++ * STORE.chunkSize) % MIB;
  await writer.write(at, GOOD.subarray(at, at + 512));
  await writer.disconnect();
  expect(await other.read(0, 4096)).toEqual(GOOD.subarray(0, 4096));
}

test("from whichever call on a file system hangs, other volumes are served", async () => {
  await life();
  const most = calls;
  expect(most).toBeGreaterThan(100);
  const first = 1 + (Date.now() % STEP);
  for (let at = first; at <= most; at += STEP) {
    process.stdout.write(at === first ? `of ${most} calls there hang: ${at}` : `, ${at}`);
    const hung = hang(() => calls >= at);
    const lived = life();
    await Promise.race([hung, lived]);
    await othersAreServed();
    letGo();
    await lived;
  }
  process.stdout.write("\n");
});

test("more openings than there are turns hang, and another volume is opened, changed and closed", async () => {
  // Eight that hung made all others wait for ever, without a word.
  const hung = hang((operation) => operation === FuseOp.Open);
  const openings = Array.from({ length: OPENING_TURNS + 3 }, () => engine.open(newOrigin()));
  await hung;
  const [name, origin] = ["next", scratch.file("next")];
  writeFileSync(origin, GOOD);
  await engine.open({ name, origin, snapshots: [{ ...STORE, name: "s", cow: `${origin}.s` }] });
  await engine.create(name, { ...STORE, name: "t", cow: `${origin}.t` });
  await engine.drop(name, "t");
  await engine.closeVolume(name);
  // The last of them have their turn a second after those before.
  await expect.poll(() => waiting).toBe(openings.length);
  letGo();
  await Promise.all(openings);
});

test("more orders than node has helpers hang in their files, and another volume's are carried out", async () => {
  // Each took one of four helpers of the whole process: the fifth volume's register waited for the file system of the other four.
  const bad = Array.from({ length: HELPERS + 2 }, newOrigin);
  for (const one of bad) await engine.open(one);
  void hang((operation) => operation === FuseOp.Fsync);
  const orders = bad.map(({ name, origin }) => engine.create(name, { ...STORE, name: "s", cow: `${origin}.s` }));
  await expect.poll(() => waiting).toBe(bad.length);
  await engine.create("good", { ...STORE, name: "s", cow: scratch.file("good.s") });
  await othersAreServed();
  letGo();
  await Promise.all(orders);
});

test("an engine that is closed gives up what is still being opened", async () => {
  const hung = hang(() => true);
  await engine.begin(newOrigin());
  await hung;
  await engine.close();
  await expect(engine.opened()).rejects.toMatchObject({
    name: "SnapringError",
    message: expect.stringContaining("the engine is closed") as string,
  });
});
