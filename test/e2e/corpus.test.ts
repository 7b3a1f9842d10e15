/**
 * The kernel's operation lists through the whole product: real threads, real files, NBD requests; the same answers, statuses and
 * views as the kernel's, and after a close byte-identical images.
 *
 * The pure engine passes every case in test/kernel; here the shell around it is judged by the same papers. Left out: power
 * cuts, images that were patched or cut after the list, `parallel`, whose requests race each other on two connections, and
 * `discard-passdown`, for a discard of parts of blocks is only advice here. Of `no-room-for-next-area` the images differ (S-42).
 */
import { readFile, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { openVolume, type SnapshotOptions, type Volume } from "../../src/index.ts";
import {
  type CorpusCase,
  corpusCases,
  corpusImage,
  filledImage,
  type Op,
  operations,
  statusText,
} from "../support/core/corpus.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Cmd, NbdClient, type Reply, type Request } from "../support/nbd-client.ts";
import { firstDifference } from "../support/volume.ts";

const SECTOR = 512;
const NBD_EIO = 5;
const NBD_ENOSPC = 28;
const NAMES: Readonly<Record<number, string>> = { [NBD_EIO]: "EIO", [NBD_ENOSPC]: "EIO" };

const LEFT_OUT = ["parallel", "discard-passdown"];

const cases = corpusCases().filter(
  (entry) =>
    !LEFT_OUT.includes(entry.name) &&
    entry.power_cut_after_writes === undefined &&
    (entry.steps.length === 0 || entry.steps[0].do === "merge"),
);

interface Mode {
  readonly early?: boolean;
  readonly reserves?: boolean;
}

/** Chunks that a worker holds in reserve are allocated before they are written: then the images are others, and as good. */
const MODES: Readonly<Record<string, Mode>> = {
  "as by default": {},
  "byte for byte, S-57 on": { reserves: false },
  "byte for byte, S-57 off": { early: false, reserves: false },
};

let stage: Stage | undefined;

afterEach(async () => {
  await stage?.end();
  stage = undefined;
});

/** The case's devices as files, and the volume on them. */
class Stage {
  readonly #entry: CorpusCase;
  readonly #scratch: Scratch;
  readonly #mode: Mode;
  readonly #active: number[];
  readonly #clients = new Map<string, NbdClient>();
  #volume: Volume | undefined;

  private constructor(entry: CorpusCase, scratch: Scratch, mode: Mode, active: number[]) {
    this.#entry = entry;
    this.#scratch = scratch;
    this.#mode = mode;
    this.#active = active;
  }

  static async set(entry: CorpusCase, mode: Mode, ops: readonly Op[]): Promise<Stage> {
    const later = new Set(ops.filter((op) => op.verb === "snap-add").map((op) => op.snapshot));
    const active = entry.cows.map(({ index }) => index).filter((index) => !later.has(index));
    const made = new Stage(entry, await makeScratch(), mode, active);
    stage = made;
    await writeFile(made.#scratch.file("origin"), filledImage(entry.origin.size, entry.origin.fills));
    for (const cow of entry.cows) await writeFile(made.#cowPath(cow.index), filledImage(cow.size, cow.fills));
    await made.#open();
    return made;
  }

  get active(): readonly number[] {
    return this.#active;
  }

  status(index: number): string {
    return (this.#volume as Volume).status(`snap${index}`).status;
  }

  async hash(name: string): Promise<string> {
    const client = await this.client(name);
    return answerOf({ type: Cmd.Read }, await client.request({ type: Cmd.Read, offset: 0, length: client.sizeBytes }));
  }

  async client(name: string): Promise<NbdClient> {
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const client = await NbdClient.open({ path: this.#scratch.file("socket") }, name);
    this.#clients.set(name, client);
    return client;
  }

  async add(index: number): Promise<void> {
    await (this.#volume as Volume).createSnapshot(this.#snapshot(index));
    this.#active.push(index);
  }

  async reload(): Promise<void> {
    await this.close();
    await this.#open();
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.destroy();
    this.#clients.clear();
    await this.#volume?.close();
    this.#volume = undefined;
  }

  async end(): Promise<void> {
    await this.close();
    await this.#scratch.remove();
  }

  origin(): Promise<Buffer> {
    return readFile(this.#scratch.file("origin"));
  }

  cow(index: number): Promise<Buffer> {
    return readFile(this.#cowPath(index));
  }

  #cowPath(index: number): string {
    return this.#scratch.file(`cow${index}`);
  }

  async #open(): Promise<void> {
    this.#volume = await openVolume({
      origin: this.#scratch.file("origin"),
      snapshots: this.#active.map((index) => this.#snapshot(index)),
      listen: [`unix:${this.#scratch.file("socket")}`],
      ...this.#mode,
      workers: 1,
    });
  }

  #snapshot(index: number): SnapshotOptions {
    const { chunk, persistent } = this.#entry.cows[index];
    const { features } = this.#entry;
    return {
      name: `snap${index}`,
      // As the kernel does, whatever stands behind a blank header.
      force: true,
      cow: this.#cowPath(index),
      ...(chunk === 0 ? {} : { chunkSize: chunk * SECTOR }),
      store: persistent,
      discardZeroesCow: features.includes("discard_zeroes_cow"),
      discardPassdownOrigin: features.includes("discard_passdown_origin"),
    };
  }
}

function exportOf(op: Op): string {
  return op.verb.startsWith("origin") ? "origin" : `snap${op.snapshot}`;
}

function requestOf({ verb, args }: Op): Request {
  const [offset, length, seed] = args;
  switch (verb.slice(verb.indexOf("-") + 1)) {
    case "write":
      return { type: Cmd.Write, offset, length, payload: dataPattern(length, seed) };
    case "read":
      return { type: Cmd.Read, offset, length };
    case "discard":
      return { type: Cmd.Trim, offset, length };
    case "zero":
      return { type: Cmd.WriteZeroes, offset, length };
    case "flush":
      return { type: Cmd.Flush };
    default:
      throw new Error(`operation ${verb} is not known`);
  }
}

/** As the kernel's results have it: a hash, the error, or nothing to say. */
function answerOf(request: Request, { error, data }: Reply): string {
  if (error !== 0) return NAMES[error] ?? String(error);
  return request.type === Cmd.Read ? createHash("sha256").update(data).digest("hex") : "";
}

async function replay(on: Stage, ops: readonly Op[]): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i];
    const [count] = op.args;
    if (op.verb === "status") answers.push(...on.active.map((index) => on.status(index)));
    else if (op.verb === "reload") await on.reload();
    else if (op.verb === "snap-add") await on.add(op.snapshot);
    else if (op.verb.endsWith("-hash")) answers.push(await on.hash(exportOf(op)));
    else if (op.verb !== "parallel") answers.push(await execute(on, op));
    else {
      answers.push(...(await Promise.all(ops.slice(i + 1, i + 1 + count).map((each) => execute(on, each)))));
      i += count;
    }
  }
  return answers.filter((answer) => answer !== "");
}

async function execute(on: Stage, op: Op): Promise<string> {
  const client = await on.client(exportOf(op));
  const request = requestOf(op);
  return answerOf(request, await client.request(request));
}

/** A trim that the kernel's target does not know is answered by ours, without effect (E-12). */
function kernelAnswers(entry: CorpusCase): string[] {
  return (entry.results ?? [])
    .filter((result) => result.errno !== "EOPNOTSUPP")
    .map((result) => statusText(result.text) ?? (result.errno ? String(result.errno) : (result.sha256 as string)));
}

for (const entry of cases) {
  test.each(Object.entries(MODES))(`${entry.name}, as the kernel: %s`, async (_, mode) => {
    const ops = operations(entry);
    const on = await Stage.set(entry, mode, ops);
    expect(await replay(on, ops)).toEqual(kernelAnswers(entry));
    for (const { index, created } of entry.cows) {
      expect(on.status(index)).toBe(statusText(created?.status));
      expect(await on.hash(`snap${index}`)).toBe(created?.view_sha256 ?? created?.view_errno);
    }
    await on.close();
    const [merge] = entry.steps;
    const origin = await on.origin();
    if (merge !== undefined) expect(firstDifference(origin, corpusImage(merge.before_origin as string))).toBe(-1);
    else expect(createHash("sha256").update(origin).digest("hex")).toBe(entry.origin.sha256);
    if (mode.reserves !== false || entry.name === "no-room-for-next-area") return;
    for (const { index, file } of entry.cows) {
      const expected = corpusImage(merge?.before_cow0 ?? file);
      expect(firstDifference(await on.cow(index), expected)).toBe(-1);
    }
  });
}
