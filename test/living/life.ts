/**
 * The life of a daemon with four volumes under real clients: verbs in an order from a seed, and now and then its end, by a kill, and a new beginning.
 *
 *   fio, users, the chain ── NBD ──▶ snapring daemon (dist) ◀── control socket, command ── verbs of each volume, groups, the attendant
 *     └───── models: one per export ◀──── judge ────┘   events ──▶ a log with the last id
 *
 *   start ─▶ an era: everybody at work ─▶ SIGKILL ─▶ everybody has noticed ─▶ start ─▶ what is there, judged ─▶ the next era … ─▶ everything read, stopped, and
 *   looked at by the real kernel
 *
 * The seed fixes the schedule, not what threads and disks make of it.
 */
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Attendant } from "./attendant.ts";
import { Chain } from "./chain.ts";
import { MIB } from "./drawn-spec.ts";
import { EventLog } from "./event-log.ts";
import { judgeEvents } from "./event-judge.ts";
import { askKernel, decodedHash, type Looked } from "./kernel-look.ts";
import { Cut, isEnd, LivingDaemon } from "./living-daemon.ts";
import { LivingGroups } from "./living-groups.ts";
import { type LifeParts, LivingVolume, type VolumeSpec } from "./living-volume.ts";
import { Verbs } from "./verbs.ts";

const MEMORY = "/dev/shm";
const SPREAD = 0x9e3779b1;
/** Requests per second: of all users, and of the chain. */
const USER_RATE = 300;
const CHAIN_RATE = 100;
/** Between two things that happen to a volume, and to groups. */
const REST_MS = 300;
const GROUP_REST_MS = 2500;
/** After so long without an end of any verb somebody hangs. */
const HANGS_MS = 300_000;
/** A kill comes when fewer than so many have ended, and less than so long after that. */
const VERBS_BEFORE_KILL = 12;
const KILL_MS = 1500;
/** Of the last part of a life, whatever it was told. */
const LAST_MS_MIN = 3000;
const SHOWN_MS = 10_000;

export interface LifeOptions {
  readonly seed: number;
  readonly milliseconds: number;
  readonly kills: number;
  /** Have the real kernel look: in so many percent of the kills, and at the end. */
  readonly kernelPercent: number;
  /** Of the smallest volume; the others are larger. */
  readonly mebibytes: number;
  readonly say: (line: string) => void;
}

export interface LifeFigures {
  readonly verbs: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly fioRounds: number;
  readonly events: number;
}

/** Rejects with what was wrong. */
export async function live(options: LifeOptions): Promise<LifeFigures> {
  const disk = await makeScratch();
  const memory = await makeScratch(existsSync(MEMORY) ? MEMORY : tmpdir());
  const life = new Life(options, disk, memory);
  try {
    return await life.run();
  } finally {
    await life.end();
    await Promise.all([disk.remove(), memory.remove()]);
  }
}

class Life {
  readonly #options: LifeOptions;
  readonly #random: SeededRandom;
  readonly #daemon: LivingDaemon;
  readonly #folders: readonly [disk: Scratch, memory: Scratch];
  readonly #verbsDone: Record<string, number> = {};
  readonly #count = { requests: 0, connections: 0 };
  readonly #volumes: readonly LivingVolume[];
  readonly #verbs: readonly Verbs[];
  readonly #groups: LivingGroups;
  readonly #chain: Chain;
  readonly #events: EventLog;
  readonly #attendant: Attendant;
  readonly #failures: Error[] = [];
  #version = 2;
  #turn = 0;
  #chainTurn = 0;
  #verbsEnded = 0;
  #lastDone = performance.now();
  #isEraOver = true;

  constructor(options: LifeOptions, disk: Scratch, memory: Scratch) {
    this.#options = options;
    this.#folders = [disk, memory];
    this.#random = new SeededRandom(Math.imul(options.seed + 1, SPREAD));
    const seed = (): number => this.#random.below(2 ** 31);
    this.#daemon = new LivingDaemon(disk, new SeededRandom(seed()));
    const parts: LifeParts = {
      daemon: this.#daemon,
      chain: () => this.#chain,
      nextVersion: () => this.#version++,
      pace: (requests) => this.#pace(requests),
      failed: (error) => this.#failed(error),
      isOver: () => this.#isEraOver,
      count: this.#count,
      done: (verb) => this.#done(verb),
    };
    this.#volumes = this.#specs().map((spec) => new LivingVolume(parts, spec, seed()));
    this.#verbs = this.#volumes.map((volume) => new Verbs(volume));
    this.#groups = new LivingGroups(parts, this.#volumes, new SeededRandom(seed()));
    this.#chain = new Chain({
      places: this.#volumes,
      random: new SeededRandom(seed()),
      address: this.#daemon.address,
      nextVersion: parts.nextVersion,
      pace: () => this.#paceChain(),
    });
    this.#attendant = new Attendant(
      this.#daemon,
      (volume, snapshot) => this.#stalls(volume, snapshot),
      (error) => this.#failed(error),
    );
    this.#events = new EventLog(this.#daemon.process, (event) => this.#attendant.heard(event));
  }

  async run(): Promise<LifeFigures> {
    const { milliseconds, kills, kernelPercent } = this.#options;
    await this.#begin();
    const end = performance.now() + milliseconds;
    for (let kill = 0; kill < kills; kill++) {
      const verbs = this.#random.below(VERBS_BEFORE_KILL);
      const more = this.#random.below(KILL_MS);
      await this.#era(
        () => this.#afterVerbs(verbs).then(() => this.#rest(more)),
        () => this.#kill(),
      );
      if (this.#random.chance(kernelPercent)) await this.#kernelAfterKill();
      await this.#comeBack();
    }
    await this.#era(
      () => this.#rest(Math.max(LAST_MS_MIN, end - performance.now())),
      async () => {},
    );
    await this.#finish();
    return this.#figures();
  }

  /** Nothing of it is left running. */
  async end(): Promise<void> {
    await this.#daemon.process.kill();
    await this.#noticed();
    await this.#events.end();
  }

  #specs(): readonly VolumeSpec[] {
    const [disk, memory] = this.#folders.map(({ path }) => path);
    const bytes = (factor: number): number => Math.round(this.#options.mebibytes * factor) * MIB;
    return [
      { name: "a", folder: memory, bytes: bytes(1), settings: {} },
      { name: "b", folder: memory, bytes: bytes(1.5), settings: { trim: "preserve" } },
      { name: "c", folder: disk, bytes: bytes(1.25), settings: { direct: true } },
      // Its last chunk is cut short.
      { name: "d", folder: disk, bytes: bytes(1) + 1536, settings: { direct: false } },
    ];
  }

  async #begin(): Promise<void> {
    const [disk, memory] = this.#folders;
    await this.#daemon.process.listen();
    this.#events.start((error) => this.#failed(error));
    const pools = { memory: memory.file("pool"), disk: disk.file("pool") };
    for (const [name, dir] of Object.entries(pools)) {
      mkdirSync(dir);
      const space = name === "disk" ? "sparse" : "reserved";
      await this.#daemon.ask("PUT", `/v1/pools/${name}`, { dir, space, limit: 8192 * MIB });
    }
    for (const volume of this.#volumes) {
      volume.make();
      await this.#daemon.ask("PUT", `/v1/volumes/${volume.name}`, { origin: volume.path, ...volume.spec.settings });
    }
  }

  // ---- eras ----

  /** Everybody is at work, for so long. */
  async #era(time: () => Promise<void>, end: () => Promise<void>): Promise<void> {
    this.#isEraOver = false;
    this.#lastDone = performance.now();
    for (const volume of this.#volumes) volume.startClients();
    this.#chain.start((error) => this.#failed(error));
    const ending = time().then(async () => {
      await end();
      this.#isEraOver = true;
    });
    const workers = [
      ...this.#volumes.map((volume, i) => this.#work(volume, this.#verbs[i])),
      this.#workOnGroups(),
      this.#attendant.round(),
    ];
    const all = [ending, ...workers].map((work) => work.catch((error: unknown) => this.#cutOrFailed(error)));
    await this.#unlessHung(Promise.all(all));
    this.#throwFailure();
  }

  /** Rejects where nothing comes to an end any more. */
  async #unlessHung(work: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let shown = performance.now();
    const hung = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        if (performance.now() > shown + SHOWN_MS) {
          shown = performance.now();
          this.#options.say(`${this.#count.requests} requests, ${JSON.stringify(this.#verbsDone)}, now ${this.#now()}`);
        }
        if (performance.now() < this.#lastDone + HANGS_MS) return;
        reject(new Error(`nothing has ended for ${HANGS_MS} ms: ${this.#now()}\n${this.#daemon.process.log}`));
      }, 1000);
    });
    await Promise.race([work, hung]).finally(() => clearInterval(timer));
  }

  #now(): string {
    return this.#volumes.map(({ name, now }) => `${name}: ${now}`).join(", ");
  }

  async #work(volume: LivingVolume, verbs: Verbs | undefined): Promise<void> {
    while (!this.#isEraOver) {
      await volume.turn.take(() => verbs?.happen());
      await this.#rest(this.#random.below(2 * REST_MS));
    }
  }

  async #workOnGroups(): Promise<void> {
    for (;;) {
      await this.#rest(this.#random.below(2 * GROUP_REST_MS));
      if (this.#isEraOver) return;
      await this.#groups.happen();
    }
  }

  /** When so many more have ended. */
  async #afterVerbs(count: number): Promise<void> {
    for (const until = this.#verbsEnded + count; this.#verbsEnded < until && !this.#isEraOver; ) await sleep(5);
  }

  async #rest(milliseconds: number): Promise<void> {
    for (const end = performance.now() + milliseconds; performance.now() < end && !this.#isEraOver; ) await sleep(20);
  }

  async #kill(): Promise<void> {
    await this.#daemon.process.kill();
    this.#done("kill");
    // Somebody may be waiting for the end of a round.
    await Promise.all(this.#volumes.map(({ fio }) => fio.kill()));
  }

  /** Whoever spoke to the daemon knows that it is gone. */
  async #noticed(): Promise<void> {
    this.#isEraOver = true;
    await Promise.all([this.#chain.stop(), ...this.#volumes.map((volume) => volume.killed())]);
  }

  async #comeBack(): Promise<void> {
    await this.#noticed();
    this.#throwFailure();
    await this.#daemon.process.listen();
    for (const volume of this.#volumes) {
      await volume.merging?.afterKill();
      await volume.readOrigin();
    }
    this.#chain.settle();
    await this.#groups.afterKill();
    for (const verbs of this.#verbs) await verbs.afterKill();
    this.#throwFailure();
  }

  // ---- the end ----

  async #finish(): Promise<void> {
    for (const [i, volume] of this.#volumes.entries())
      while (volume.merging !== undefined) await this.#verbs[i]?.happen();
    await this.#chain.stop();
    for (const volume of this.#volumes) {
      await volume.endClients();
      await volume.readOrigin();
      for (const snapshot of volume.snapshots) await volume.readSnapshot(snapshot);
    }
    const { body } = await this.#daemon.ask<{ lastEventId: number }>("GET", "/v1");
    await this.#events.until(body.lastEventId);
    const journal = await this.#events.wholeJournal(body.lastEventId);
    this.#events.judge(journal);
    judgeEvents(journal);
    const looked = await this.#lookable();
    const code = await this.#daemon.process.stop();
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.#daemon.process.log}`);
    this.#throwFailure();
    if (this.#options.kernelPercent === 0) for (const one of looked) decodedHash(one);
    else await askKernel(looked);
    this.#done("end");
  }

  /** One of each volume. */
  async #lookable(): Promise<readonly Looked[]> {
    const all: Looked[] = [];
    for (const { name, path, merging, snapshots } of this.#volumes)
      for (const snapshot of snapshots) {
        const view = await this.#daemon.view(name, snapshot.name);
        if (merging !== undefined || view.state !== "active" || all.some(({ origin }) => origin === path)) continue;
        all.push({ exportName: snapshot.exportName, origin: path, cow: view.cow });
      }
    return all;
  }

  /** What a killed daemon leaves is decoded alike by the real kernel. */
  async #kernelAfterKill(): Promise<void> {
    const volume = this.#random.pick(this.#volumes);
    const [snapshot] = volume.snapshots.filter(
      ({ drawn }) => drawn.kind === "roomy" && drawn.spec.device !== undefined,
    );
    const device = snapshot?.drawn.spec.device;
    if (snapshot === undefined || device === undefined || volume.now.endsWith(` ${snapshot.name}`)) return;
    if (volume.merging !== undefined) return;
    await askKernel([{ exportName: snapshot.exportName, origin: volume.path, cow: device }]);
    this.#done("kernel");
  }

  #figures(): LifeFigures {
    const fioRounds = this.#volumes.reduce((sum, { fio }) => sum + fio.rounds, 0);
    const by = { "by command": this.#daemon.commands, "room added": this.#attendant.grown };
    return {
      verbs: { ...this.#verbsDone, ...by },
      requests: this.#count.requests + this.#chain.written,
      fioRounds,
      events: this.#events.events.length,
    };
  }

  // ---- what its parts need ----

  #stalls(volume: string, snapshot: string): boolean {
    const found = this.#volumes.find(({ name }) => name === volume)?.find(snapshot);
    return found?.drawn.kind === "stalls" && !this.#daemon.process.isDown;
  }

  #done(verb: string): void {
    this.#verbsDone[verb] = (this.#verbsDone[verb] ?? 0) + 1;
    this.#verbsEnded += 1;
    this.#lastDone = performance.now();
  }

  async #pace(requests: number): Promise<void> {
    const now = performance.now();
    this.#turn = Math.max(this.#turn, now - 100) + (requests * 1000) / USER_RATE;
    await sleep(Math.max(0, this.#turn - now));
  }

  async #paceChain(): Promise<void> {
    const now = performance.now();
    this.#chainTurn = Math.max(this.#chainTurn, now - 100) + 1000 / CHAIN_RATE;
    await sleep(Math.max(1, this.#chainTurn - now));
  }

  #cutOrFailed(error: unknown): void {
    if (!(error instanceof Cut)) this.#failed(error as Error);
  }

  /** The first is what was wrong; what it made fail comes behind it. */
  #failed(error: Error): void {
    if (this.#daemon.process.isDown && (isEnd(error) || isEnd(error.cause))) return;
    this.#failures.push(error);
    this.#isEraOver = true;
  }

  #throwFailure(): void {
    if (this.#failures.length === 0) return;
    const said = this.#failures.map(({ stack, cause }) => `${stack}\n${String((cause as Error)?.stack ?? "")}`);
    throw new Error(`${said.join("\n")}\n${this.#now()}`);
  }
}
