/**
 * What an operator does to one living volume, in an order that follows from the seed: snapshots are made, looked at, treated otherwise, grown, rolled back to and dropped.
 *
 *   happen ─▶ dry run? ─▶ the verb ─▶ answer ─▶ judged ─▶ said again?          one at a time in a volume; volumes and groups go on beside each other
 *                           └─ Cut: what was asked stays noted, and `afterKill` looks what has come of it
 */
import { existsSync, rmSync } from "node:fs";
import { ControlError } from "../../src/cli/control-client.ts";
import type { ChainRecording } from "./chain.ts";
import { type DrawnSpec, drawSpec, MIB, specWords } from "./drawn-spec.ts";
import type { Recording } from "./export-model.ts";
import { Cut, type Operation } from "./living-daemon.ts";
import { LivingSnapshot } from "./living-snapshot.ts";
import type { LivingVolume } from "./living-volume.ts";
import { Merging, NOT_NOW } from "./merging.ts";

export const SNAPSHOTS_MAX = 3;
const GIB: number = 1024 * MIB;

/** Asked, and not yet known to be there. */
interface Making {
  readonly name: string;
  readonly drawn: DrawnSpec;
  readonly recording: Recording;
  readonly chain: ChainRecording;
}

/** Asked: `id` where it was answered. */
interface Asked {
  readonly kind: "drop" | "grow";
  readonly snapshot: LivingSnapshot;
  readonly cow: string;
  id?: string | undefined;
}

export class Verbs {
  readonly #volume: LivingVolume;
  #making: Making | undefined;
  #asked: Asked | undefined;

  constructor(volume: LivingVolume) {
    this.#volume = volume;
  }

  /** One thing. */
  async happen(): Promise<void> {
    const { snapshots, merging, random } = this.#volume;
    if (merging !== undefined) return await this.#do("merge", () => merging.seeThrough());
    const isRoom = snapshots.length < SNAPSHOTS_MAX;
    if (snapshots.length === 0 || (isRoom && random.chance(45))) return await this.#do("create", () => this.#create());
    const snapshot = random.pick(snapshots);
    const verb = random.pick([
      "read",
      "read",
      "set",
      "grow",
      "grow",
      "merge",
      "merge",
      "drop",
      "drop",
      "refuse",
    ] as const);
    await this.#do(`${verb} ${snapshot.name}`, () => this.#to(verb, snapshot));
  }

  /** Everything that had been answered is so, and of everything else it is known whether. The live volume has been read. */
  async afterKill(): Promise<void> {
    await this.#settleMaking();
    await this.#settleAsked();
    await this.#dropNotNow();
    const there = (await this.#daemon.snapshots(this.#volume.name)).map(({ name }) => name).sort();
    const expected = this.#volume.snapshots.map(({ name }) => name).sort();
    if (JSON.stringify(there) !== JSON.stringify(expected))
      throw new Error(`volume ${this.#volume.name} has the snapshots ${there.join()}, not ${expected.join()}`);
    for (const snapshot of this.#volume.snapshots) {
      if (this.#volume.merging?.snapshot === snapshot) continue;
      if (await this.#volume.readSnapshot(snapshot)) this.#volume.startUsersOf(snapshot);
    }
  }

  get #daemon(): LivingVolume["life"]["daemon"] {
    return this.#volume.life.daemon;
  }

  async #do(what: string, body: () => Promise<void>): Promise<void> {
    this.#volume.now = what;
    await body();
    this.#volume.now = "nothing";
  }

  async #to(verb: "read" | "set" | "grow" | "merge" | "drop" | "refuse", snapshot: LivingSnapshot): Promise<void> {
    const { life } = this.#volume;
    switch (verb) {
      case "read":
        life.done((await this.#volume.readQuietly(snapshot)) ? "read" : "lost");
        return;
      case "set":
        return await this.#set(snapshot);
      case "grow":
        return await this.#grow(snapshot);
      case "merge":
        return await this.#merge(snapshot);
      case "drop":
        return await this.#drop(snapshot);
      case "refuse":
        return await this.#refuse();
    }
  }

  // ---- create ----

  async #create(): Promise<void> {
    const { random, life, name: volume, origin, spec } = this.#volume;
    const name = this.#volume.nextName();
    const drawn = drawSpec(random, spec.bytes, this.#volume.deviceFor(name));
    const path = this.#pathOf(name);
    if (random.chance(30)) await this.#dryRun("PUT", `${path}?dryRun=true`, drawn.spec);
    this.#making = { name, drawn, recording: origin.record(), chain: life.chain().record([volume]) };
    const words = ["snapshot", "create", `${volume}@${name}`, ...specWords(drawn.spec)];
    await this.#daemon.say(words, ["PUT", path, drawn.spec]);
    const snapshot = this.#made();
    await this.#volume.readSnapshot(snapshot);
    life.done("create");
    if (random.chance(30)) {
      await this.#daemon.ask("PUT", path, drawn.spec);
      await this.#daemon.refuses("differs", "PUT", path, { ...drawn.spec, size: drawn.spec.size + MIB });
      life.done("repeat");
    }
    this.#volume.startUsersOf(snapshot);
  }

  #made(): LivingSnapshot {
    if (this.#making === undefined) throw new Error("nothing is being made");
    const { name, drawn, recording, chain } = this.#making;
    const { origin, life } = this.#volume;
    origin.endRecording();
    life.chain().end(chain);
    const model = this.#volume.modelOfSnapshot(recording);
    const snapshot = new LivingSnapshot({ volume: this.#volume.name, name, drawn, model, chain });
    this.#volume.snapshots.push(snapshot);
    this.#making = undefined;
    return snapshot;
  }

  async #settleMaking(): Promise<void> {
    const making = this.#making;
    if (making === undefined) return;
    const there = (await this.#daemon.snapshots(this.#volume.name)).some(({ name }) => name === making.name);
    if (there) {
      this.#made();
      this.#volume.life.done("create, cut and finished");
      return;
    }
    this.#volume.origin.endRecording();
    this.#volume.life.chain().end(making.chain);
    this.#making = undefined;
    this.#volume.life.done("create, cut and undone");
  }

  // ---- set, grow ----

  async #set(snapshot: LivingSnapshot): Promise<void> {
    const { random, life } = this.#volume;
    // The others are what they are because of it.
    if (snapshot.drawn.kind !== "roomy") return await this.#refuse();
    const policy = random.pick([
      { whenFull: "stall", stallSeconds: 60 },
      { whenFull: snapshot.drawn.spec.store === "PO" ? "overflow" : "invalidate" },
      { grow: { by: 4 * MIB, at: 70 } },
      { grow: null },
    ]);
    const { body } = await this.#daemon.ask<Record<string, unknown>>("PATCH", this.#pathOf(snapshot.name), policy);
    for (const [key, value] of Object.entries(policy))
      if (JSON.stringify(body[key] ?? null) !== JSON.stringify(value))
        throw new Error(`${snapshot.exportName} was set to ${JSON.stringify(policy)}, and is ${JSON.stringify(body)}`);
    life.done("set");
  }

  async #grow(snapshot: LivingSnapshot): Promise<void> {
    const { random, life } = this.#volume;
    const { sizeBytes, cow, state } = await this.#volume.view(snapshot);
    if (state === "invalid") return life.done("lost");
    // One that grows by itself is not overtaken.
    const size = sizeBytes + (snapshot.drawn.kind === "growing" ? 64 : 1 + random.below(8)) * MIB;
    const path = `${this.#pathOf(snapshot.name)}/grow`;
    if (random.chance(30)) await this.#dryRun("POST", `${path}?dryRun=true`, { size });
    const asked: Asked = { kind: "grow", snapshot, cow };
    this.#asked = asked;
    const words = ["snapshot", "grow", snapshot.exportName, String(size)];
    try {
      asked.id = (await this.#daemon.say<Operation>(words, ["POST", path, { size }])).id;
    } catch (error) {
      // The attendant grows it just now.
      if (!isBusy(error)) throw error;
      this.#asked = undefined;
      return;
    }
    await this.#grown(asked);
    if (snapshot.drawn.kind !== "lossy" && (await this.#volume.view(snapshot)).sizeBytes < size)
      throw new Error(`${snapshot.exportName} was grown to ${size}, and has not got so much`);
  }

  async #grown({ id, snapshot }: Asked): Promise<void> {
    if (id === undefined) throw new Error("the growth was not begun");
    const isSure = snapshot.drawn.kind !== "lossy";
    const { state } = await this.#daemon.ended(id, "done", ...(isSure ? [] : (["failed"] as const)));
    this.#asked = undefined;
    this.#volume.life.done(state === "done" ? "grow" : "lost");
  }

  // ---- merge, drop ----

  async #merge(snapshot: LivingSnapshot): Promise<void> {
    const merging = new Merging(this.#volume, snapshot);
    if (await merging.begin()) await merging.seeThrough();
    else this.#volume.life.done("lost");
  }

  async #drop(snapshot: LivingSnapshot): Promise<void> {
    const { random, life } = this.#volume;
    const path = this.#pathOf(snapshot.name);
    if (snapshot.group !== undefined) {
      await this.#daemon.refuses("in-group", "DELETE", path);
      life.done("refusal");
      return;
    }
    if (random.chance(30)) await this.#dryRun("DELETE", `${path}?dryRun=true`);
    await this.#volume.endUsersOf(snapshot);
    const asked: Asked = { kind: "drop", snapshot, cow: (await this.#volume.view(snapshot)).cow };
    this.#asked = asked;
    const words = ["snapshot", "drop", snapshot.exportName];
    asked.id = (await this.#daemon.say<Operation>(words, ["DELETE", path])).id;
    await this.#dropped(asked);
    if (!random.chance(30)) return;
    const again = await this.#daemon.ask("DELETE", path);
    if (again.status !== 204) throw new Error(`${snapshot.exportName} is dropped, and not gone: ${again.status}`);
    life.done("repeat");
  }

  async #dropped({ id, snapshot, cow }: Asked): Promise<void> {
    if (id === undefined) throw new Error("the drop was not begun");
    await this.#daemon.ended(id, "done");
    const { spec } = snapshot.drawn;
    if (spec.pool !== undefined && existsSync(cow)) throw new Error(`${cow} is still there`);
    rmSync(cow, { force: true });
    this.#volume.forget(snapshot);
    this.#asked = undefined;
    this.#volume.life.done("drop");
  }

  /** What was asked and answered comes to its end by itself; what was not answered may have been begun. */
  async #settleAsked(): Promise<void> {
    const asked = this.#asked;
    if (asked === undefined) return;
    const { kind, snapshot } = asked;
    const operations = await this.#daemon.operations();
    asked.id ??= operations.findLast(
      (one) =>
        one.kind === kind &&
        one.volume === this.#volume.name &&
        one.snapshot === snapshot.name &&
        one.state !== "failed",
    )?.id;
    this.#volume.life.done(asked.id === undefined ? `${kind}, cut and not begun` : `${kind}, cut and gone on with`);
    if (asked.id === undefined) this.#asked = undefined;
    else if (kind === "drop") await this.#dropped(asked);
    else await this.#grown(asked);
  }

  // ---- others ----

  /** What was refused while a merge was under way may have been made when it had ended, and the answer was cut. */
  async #dropNotNow(): Promise<void> {
    const answer = await this.#daemon.ask<Operation>("DELETE", this.#pathOf(NOT_NOW));
    if (answer.status === 202) await this.#daemon.ended(answer.body.id, "done");
  }

  async #refuse(): Promise<void> {
    const { random, life, name } = this.#volume;
    const path = this.#pathOf("none");
    const tries: readonly (() => Promise<void>)[] = [
      () => this.#daemon.refuses("not-found", "GET", path),
      () => this.#daemon.refuses("not-found", "POST", `${path}/merge`, {}),
      () => this.#daemon.refuses("no-room", "PUT", path, { size: 1024 * GIB, pool: "memory" }),
      () => this.#daemon.refuses("no-room", "PUT", `${path}?dryRun=true`, { size: 1024 * GIB, pool: "memory" }),
      () => this.#daemon.refuses("not-found", "PUT", path, { size: MIB, pool: "none" }),
      () => this.#daemon.refuses("not-found", "PATCH", `/v1/volumes/${name}/merge`, { paused: true }),
      () => this.#daemon.refuses("bad-request", "PUT", path, { size: 16 * MIB, pool: "memory", chunkSize: 5000 }),
    ];
    await random.pick(tries)();
    life.done("refusal");
  }

  async #dryRun(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#daemon.ask<{ dryRun?: boolean }>(method, path, body);
    if (answer.status !== 200 || answer.body.dryRun !== true)
      throw new Error(`${method} ${path}: no dry run: ${answer.status} ${JSON.stringify(answer.body)}`);
    this.#volume.life.done("dry run");
  }

  #pathOf(name: string): string {
    return `/v1/volumes/${this.#volume.name}/snapshots/${name}`;
  }
}

function isBusy(error: unknown): boolean {
  if (error instanceof Cut) return false;
  return error instanceof ControlError ? error.code === "busy" : /under way already/.test(String(error));
}
