/**
 * A life of a volume on lying devices, and what its clients were told: made once, cut at any moment afterwards.
 *
 *   clients (this process) ── NBD ──▶ volume (child) ── kernel ──▶ lying devices (this process)
 *        └──── ledgers ◀──────────── one clock ────────────────────────▶ log ───┘
 */
import { setTimeout } from "node:timers/promises";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import { FuseFolder } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { makeScratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { readAll } from "../support/volume.ts";
import { VolumeProcess } from "../support/volume-process.ts";
import { FIRST, Ledger, numbersIn, SECTOR_BYTES, stamped, WriteNumbers } from "./ledger.ts";
import type { Time } from "./replay.ts";
import type { Scene, SceneSnapshot } from "./scene.ts";
import { type Client, writeAway } from "./writer.ts";

export interface RecordedSnapshot extends SceneSnapshot {
  /** Its device in the log; 0 is the origin. */
  readonly device: number;
  /** What its view may hold; none before it has been made. */
  ledger: Ledger | undefined;
  /** Its creation (or the opening of the volume) begins, and is over. */
  born: number;
  there: number;
  /** Its creation has been answered: until then a cut leaves one of any moment since it was ordered, without what nobody had flushed (E-40). */
  answered: number;
  /** A drop begins, and is over. */
  dying: number;
  gone: number;
  /** It may be invalid from here on, and must be so. */
  mayBeInvalid: number;
  invalid: number;
}

export interface Recording {
  readonly scene: Scene;
  readonly log: DeviceLog;
  /** The devices' bytes before anything happened, origin first. */
  readonly first: readonly Uint8Array[];
  readonly origin: Ledger;
  /** From here on the origin holds what the merge has brought: the merged snapshot's view stands for it. */
  readonly mergedFrom: number;
  readonly snapshots: readonly RecordedSnapshot[];
  /** The volume is closed: everything acknowledged is durable. */
  readonly end: number;
  /** Where the register's texts name their devices. */
  readonly folder: string;
  readonly requests: number;
  /** From each kill until the volume was open again. */
  readonly openings: readonly Time[];
}

type Two = readonly [RecordedSnapshot, RecordedSnapshot];
type OpenOptions = Parameters<VolumeProcess["open"]>[0];

export const REGISTER = "origin.snapshots";

export async function record(scene: Scene): Promise<Recording> {
  const recorder = new Recorder(scene);
  return recorder.record();
}

class Recorder {
  readonly #scene: Scene;
  readonly #log = new DeviceLog();
  readonly #numbers = new WriteNumbers();
  readonly #random: SeededRandom;
  readonly #first: readonly Uint8Array[];
  readonly #origin: Ledger;
  readonly #snapshots: readonly RecordedSnapshot[];
  readonly #clients: NbdClient[] = [];
  #mergedFrom = Infinity;
  #requests = 0;
  readonly #openings: Time[] = [];
  #socket = "";
  #child: VolumeProcess | undefined;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#random = new SeededRandom(scene.seed + 77);
    const { clock } = this.#log;
    const { originSectors } = scene;
    this.#first = [
      stamped(0, originSectors, FIRST),
      ...scene.snapshots.map(({ sectors }) => new Uint8Array(sectors * SECTOR_BYTES)),
    ];
    this.#origin = new Ledger(clock, new Uint32Array(originSectors).fill(FIRST));
    const never = { born: Infinity, there: Infinity, answered: -Infinity, dying: Infinity, gone: Infinity };
    this.#snapshots = scene.snapshots.map((snapshot, i) => ({
      ...{ ...snapshot, device: 1 + i, ledger: undefined },
      ...{ ...never, mayBeInvalid: Infinity, invalid: Infinity },
    }));
  }

  async record(): Promise<Recording> {
    const scratch = await makeScratch();
    const folder = await FuseFolder.mount({
      makeFile: () => new TextFile(),
      moved: (name, file) => this.#moved(name, file),
      flushed: () => this.#texts(),
    });
    try {
      this.#putDevices(folder);
      this.#socket = scratch.file("socket");
      await this.#live(folder);
      return {
        ...{ scene: this.#scene, log: this.#log, first: this.#first, origin: this.#origin },
        ...{ snapshots: this.#snapshots, mergedFrom: this.#mergedFrom, requests: this.#requests },
        ...{ openings: this.#openings, end: this.#log.clock.tick(), folder: folder.path("") },
      };
    } finally {
      for (const client of this.#clients) client.destroy();
      await this.#child?.kill();
      await folder.unmount();
      await scratch.remove();
    }
  }

  #putDevices(folder: FuseFolder): void {
    const names = ["origin", ...this.#snapshots.map(({ name }) => `${name}.cow`)];
    for (const [index, name] of names.entries()) {
      const slowness = this.#scene.slowness[index];
      const random = new SeededRandom(this.#scene.seed * 8 + index + 1);
      const pause = (): Promise<unknown> | undefined => {
        if (slowness === 0 || random.chance(50)) return undefined;
        return setTimeout(random.below(slowness + 1));
      };
      folder.put(name, new LyingDevice({ index, bytes: this.#first[index].slice(), log: this.#log, pause }));
    }
  }

  async #open(options: OpenOptions): Promise<VolumeProcess> {
    const child = new VolumeProcess();
    this.#child = child;
    child.heard = ({ name, event }) => {
      if (event === "invalid") this.#snapshot(name).invalid = this.#log.clock.tick();
    };
    await child.open(options);
    return child;
  }

  async #live(folder: FuseFolder): Promise<void> {
    const { kind, options } = this.#scene;
    const [a, b, c] = this.#snapshots;
    const optionsOf = ({ name, chunkSectors }: SceneSnapshot): { name: string; cow: string; chunkSize: number } => {
      return { name, cow: folder.path(`${name}.cow`), chunkSize: chunkSectors * SECTOR_BYTES };
    };
    for (const one of [a, b]) one.born = this.#log.clock.tick();
    const origin = folder.path("origin");
    const given = { ...options, origin, snapshots: [a, b].map(optionsOf), listen: [`unix:${this.#socket}`] };
    let child = await this.#open(given);
    for (const one of [a, b]) this.#isThere(one, new Uint32Array(this.#scene.originSectors).fill(FIRST));
    if (kind === "full") b.mayBeInvalid = b.there;
    const all = await this.#writers(this.#origin, a, b);
    await this.#write(all);
    if (kind === "merge") await this.#merge(child, a, b);
    if (kind === "killed") {
      child = await this.#killAndOpen(child, given, a, b);
      if (this.#scene.stops) {
        this.#mergedFrom = this.#log.clock.tick();
        await child.merge("a");
      }
      child = await this.#killAndOpen(child, given, a, b);
      await this.#write(await this.#users(a, b));
    }
    if (kind === "live") {
      const writing = this.#write(all.filter(({ name }) => name !== "b"));
      c.born = this.#log.clock.tick();
      c.answered = Infinity;
      await child.create(optionsOf(c));
      c.answered = this.#log.clock.tick();
      const view = await readAll(await this.#connect("c"));
      this.#isThere(c, numbersIn(view));
      const drop = this.#drop(child, b);
      const more = this.#write(await this.#writers(this.#origin, a, c));
      await Promise.all([writing, drop, more]);
    }
    await Promise.all(this.#clients.splice(0).map((client) => client.disconnect()));
    // A close makes everything durable, like a flush of everything.
    const ledgers = [this.#origin, ...this.#snapshots.map(({ ledger }) => ledger)];
    const closed = ledgers.map((ledger) => ledger?.latest.flushing());
    await child.close();
    for (const close of closed) close?.();
  }

  /** The process is killed amid its clients' requests; what is read of the volume then is what the ledgers go on from. */
  async #killAndOpen(child: VolumeProcess, options: OpenOptions, ...snapshots: Two): Promise<VolumeProcess> {
    const { requests, writeSectors } = this.#scene;
    const { clock } = this.#log;
    const moment = clock.now + 40 + this.#random.below(600);
    const users = await this.#users(...snapshots);
    let over = false;
    // Their streams end with the process.
    const writing = Promise.allSettled(users.map((user) => writeAway(user, requests, writeSectors))).then(() => {
      over = true;
    });
    this.#requests += users.length * requests;
    while (!over && clock.now < moment) await setTimeout(1);
    await child.kill();
    await writing;
    for (const client of this.#clients.splice(0)) client.destroy();
    const killed = this.#log.clock.tick();
    const next = await this.#open(options);
    this.#openings.push([killed, this.#log.clock.tick()]);
    for (const { name, ledger } of this.#volumes(...snapshots)) {
      ledger.succeed(numbersIn(await readAll(await this.#connect(name))));
    }
    return next;
  }

  /** What can be used: from the merge on the first snapshot stands in the origin's place. */
  #volumes(...snapshots: Two): readonly { readonly name: string; readonly ledger: Ledger }[] {
    const [a, b] = snapshots.map(({ name, ledger }) => ({ name, ledger: (ledger as Ledger).latest }));
    if (this.#mergedFrom < Infinity) return [{ ...a, name: "" }, b];
    return [{ name: "", ledger: this.#origin.latest }, a, b];
  }

  #users(...snapshots: Two): Promise<Client[]> {
    const volumes = this.#volumes(...snapshots);
    return Promise.all([...volumes, ...volumes].map(({ name, ledger }) => this.#client(name, ledger)));
  }

  /** The first snapshot is brought back, while the live volume and the other one are written. */
  async #merge(child: VolumeProcess, a: RecordedSnapshot, b: RecordedSnapshot): Promise<void> {
    const over = new Promise<void>((resolve) => {
      const before = child.heard;
      child.heard = (notice) => {
        before(notice);
        if (["merged", "merge-stopped", "merge-failed"].includes(notice.event)) resolve();
      };
    });
    this.#mergedFrom = this.#log.clock.tick();
    await child.merge("a");
    const presented = { name: "", ledger: a.ledger as Ledger };
    const live = await Promise.all([presented, presented].map((w) => this.#client(w.name, w.ledger)));
    const writing = this.#write([await this.#client("b", b.ledger as Ledger)]);
    await this.#write(live);
    // From a stop on the live volume is the origin again, half of it merged: nobody writes there any more.
    if (this.#scene.stops) await child.stopMerge().catch(() => undefined);
    else await over;
    await writing;
  }

  async #drop(child: VolumeProcess, one: RecordedSnapshot): Promise<void> {
    one.dying = this.#log.clock.tick();
    await child.drop(one.name);
    one.gone = this.#log.clock.tick();
  }

  #isThere(one: RecordedSnapshot, base: Uint32Array): void {
    one.ledger = new Ledger(this.#log.clock, base);
    one.there = this.#log.clock.tick();
  }

  #snapshot(name: string): RecordedSnapshot {
    return this.#snapshots.find((one) => one.name === name) as RecordedSnapshot;
  }

  #writers(origin: Ledger, ...snapshots: readonly RecordedSnapshot[]): Promise<Client[]> {
    const sides = snapshots.map(({ name, ledger }) => ({ name, ledger: ledger as Ledger }));
    const names = [{ name: "", ledger: origin }, { name: "", ledger: origin }, ...sides, sides[0]];
    return Promise.all(names.map(({ name, ledger }) => this.#client(name, ledger)));
  }

  async #client(name: string, ledger: Ledger): Promise<Client> {
    const connection = await this.#connect(name);
    return {
      name,
      connection,
      ledger,
      numbers: this.#numbers,
      random: new SeededRandom(1 + this.#random.below(2 ** 30)),
    };
  }

  async #connect(name: string): Promise<NbdClient> {
    const client = await NbdClient.open({ path: this.#socket }, name);
    this.#clients.push(client);
    return client;
  }

  async #write(clients: readonly Client[]): Promise<void> {
    const { requests, writeSectors } = this.#scene;
    this.#requests += clients.length * requests;
    await Promise.all(clients.map((client) => writeAway(client, requests, writeSectors)));
  }

  #moved(name: string, file: unknown): void {
    if (name !== REGISTER || !(file instanceof TextFile)) return;
    this.#log.texts.push({ name, text: file.text, begin: this.#log.clock.tick(), end: Infinity });
  }

  /** The folder is flushed: every replacement in it is durable. */
  #texts(): void {
    const now = this.#log.clock.tick();
    for (const text of this.#log.texts) if (text.end === Infinity) text.end = now;
  }
}
