/**
 * One fixed life of a volume on lying devices of which one call fails, and what became of it.
 *
 *   open with snapshot a ─ writes, reads, flushes of both ─ create b ─ more of them, a burst ─ drop b ─ merge a ─ close
 *   then, without faults: open, read everything, close
 *
 * The same clients, orders and places each time, so that the k-th call is nearly the same one each time; between the threads it
 * may be its neighbour, which a judge that goes by kind and device does not mind.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { type CallKind, type Fault, FaultPlan } from "../support/lying-device/fault-plan.ts";
import { DeviceLog } from "../support/lying-device/device-log.ts";
import type { FuseFolder } from "../support/lying-device/fuse-folder.ts";
import { LyingDevice } from "../support/lying-device/lying-device.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { CmdFlag, NbdClient, NbdFailure } from "../support/nbd-client.ts";
import { readAll } from "../support/volume.ts";
import { type Notice, OrderFailure, type VolumeProcess } from "../support/volume-process.ts";
import { FIRST, Ledger, numbersIn, SECTOR_BYTES, stamped, WriteNumbers } from "../power-cuts/ledger.ts";

export const ORIGIN_DEVICE = 0;
export const SECTORS = 256;
const CHUNKS: Readonly<Record<string, number>> = { a: 8, b: 16 };
const COW_SECTORS = 1024;
/** The volume's file names; the index is the device. */
const NAMES = ["origin", "a.cow", "b.cow"];

/** What a client or an order asked for, and the errno or code that it was answered with; "" for success. */
export interface Step {
  /** "" is the live volume. */
  readonly side: "" | "a" | "b";
  readonly what: "open" | "create" | "drop" | "merge" | "read" | "write" | "flush" | "fua" | "close" | "connect";
  readonly error: string;
  /** The first snapshot stood in place of the origin. */
  readonly merging: boolean;
}

export interface Outcome {
  readonly steps: readonly Step[];
  /** Reads that showed what they may not. */
  readonly misread: readonly string[];
  readonly notices: readonly Notice[];
  /** The call that failed first; undefined: none did. */
  readonly failed: { readonly kind: CallKind; readonly device: number } | undefined;
  readonly calls: number;
  readonly ledgers: { readonly origin: Ledger; readonly a: Ledger; b: Ledger | undefined };
  /** The time at which everything was over. */
  readonly end: number;
  /** What the devices hold then. */
  readonly images: readonly Uint8Array[];
  readonly reopened: Reopened;
  readonly leftovers: { readonly files: number; readonly threads: number };
}

/** How it looks when it is opened again, without faults. */
export interface Reopened {
  /** The code of the refusal, or "". */
  readonly error: string;
  readonly origin: Uint8Array;
  readonly a: { readonly state: string; readonly view: Uint8Array | undefined };
  readonly registered: readonly string[];
}

export type RunOptions = { readonly early: boolean; readonly io: "auto" | "sync"; readonly fills: boolean };

export class FaultRun {
  readonly #folder: FuseFolder;
  readonly #socket: string;
  readonly #child: VolumeProcess;
  readonly #options: RunOptions;
  readonly #plan: FaultPlan;
  readonly #log = new DeviceLog();
  readonly #numbers = new WriteNumbers();
  readonly #devices: LyingDevice[];
  readonly #steps: Step[] = [];
  readonly #clients = new Map<string, NbdClient>();
  readonly #ledgers: { origin: Ledger; a: Ledger; b: Ledger | undefined };
  readonly #misread: string[] = [];
  #merging = false;

  /** `folder` belongs to this run; `child` may have served others. */
  constructor(folder: FuseFolder, socket: string, child: VolumeProcess, options: RunOptions, fault?: Fault) {
    this.#folder = folder;
    this.#socket = socket;
    this.#child = child;
    this.#options = options;
    this.#plan = new FaultPlan(fault);
    const contents = [
      stamped(0, SECTORS, FIRST),
      new Uint8Array(COW_SECTORS * SECTOR_BYTES),
      new Uint8Array(COW_SECTORS * SECTOR_BYTES),
    ];
    this.#devices = contents.map(
      (bytes, index) => new LyingDevice({ index, bytes, log: this.#log, faults: this.#plan }),
    );
    for (const [index, name] of NAMES.entries()) folder.put(name, this.#devices[index]);
    const ledger = (): Ledger => new Ledger(this.#log.clock, new Uint32Array(SECTORS).fill(FIRST));
    this.#ledgers = { origin: ledger(), a: ledger(), b: undefined };
  }

  async run(): Promise<Outcome> {
    this.#child.notices.length = 0;
    if (await this.#order("a", "open", () => this.#open(["a"]))) await this.#live();
    for (const client of this.#clients.values()) client.destroy();
    await this.#order("", "close", this.#child.close);
    const notices = [...this.#child.notices];
    const end = this.#log.clock.tick();
    const images = this.#devices.map(({ bytes }) => bytes.slice());
    const reopened = await this.#reopen(images);
    const { first: failed, calls } = this.#plan;
    const leftovers = await this.#child.leftovers();
    return {
      steps: this.#steps,
      misread: this.#misread,
      notices,
      failed,
      calls,
      ledgers: this.#ledgers,
      end,
      images,
      reopened,
      leftovers,
    };
  }

  async #live(): Promise<void> {
    const { origin, a } = this.#ledgers;
    await this.#connect("");
    await this.#connect("a");
    await this.#write("", origin, 9, 4);
    await this.#write("a", a, 33, 4);
    await this.#write("a", a, 48, 8);
    await this.#write("a", a, 34, 2);
    await this.#flush("a", a);
    await this.#read("a", 32, 8);
    await this.#read("a", 72, 8);
    await this.#read("", 0, 32);
    await this.#flush("", origin);
    await this.#create();
    await this.#write("", origin, 8, 24);
    if (this.#ledgers.b !== undefined) await this.#write("b", this.#ledgers.b, 101, 3, true);
    await this.#write("", origin, 97, 2, true);
    await this.#burst();
    if (this.#ledgers.b !== undefined) await this.#readAndDrop();
    await this.#write("", origin, 112, 4);
    await this.#read("a", 112, 4);
    await this.#merge();
  }

  async #create(): Promise<void> {
    if (!(await this.#order("b", "create", () => this.#child.create(this.#snapshot("b"))))) return;
    // Nothing is under way: the origin is what the snapshot is of.
    this.#ledgers.b = new Ledger(this.#log.clock, numbersIn(this.#devices[ORIGIN_DEVICE].bytes));
    await this.#connect("b");
  }

  async #burst(): Promise<void> {
    const { origin, a } = this.#ledgers;
    const random = new SeededRandom(5);
    const at = (i: number): number => 128 + 16 * i + random.below(8);
    await Promise.all([
      ...Array.from({ length: 5 }, (_, i) => this.#write("", origin, at(i), 5)),
      ...Array.from({ length: 3 }, (_, i) => this.#write("a", a, at(i), 5)),
      this.#write("a", a, 224, 8),
    ]);
    await Promise.all([this.#flush("a", a), this.#flush("", origin)]);
  }

  async #readAndDrop(): Promise<void> {
    await this.#read("b", 96, 16);
    await this.#order("b", "drop", () => this.#child.drop("b"));
  }

  /** A merge that fails is tried once more. */
  async #merge(): Promise<void> {
    this.#merging = true;
    for (let time = 0; time < 2; time++) {
      const over = this.#mergeEnds();
      if (!(await this.#order("a", "merge", () => this.#child.merge("a")))) break;
      if ((await over) === "merged") break;
    }
    const { notices } = this.#child;
    const isMerged = notices.some(({ event }) => event === "merged");
    if (isMerged) this.#handBack();
    this.#merging = !isMerged && notices.some(({ event }) => event === "merge-failed");
    const ledger = this.#merging ? this.#ledgers.a : this.#ledgers.origin;
    await this.#write("", ledger, 40, 4);
    await this.#read("", 0, 64);
    await this.#flush("", ledger);
  }

  /** Nothing is under way: the origin holds what the snapshot was, which is of this moment from now on. */
  #handBack(): void {
    const { bytes } = this.#devices[ORIGIN_DEVICE];
    const wrong = this.#ledgers.a.wrong(bytes, this.#log.clock.tick(), "acknowledged");
    if (wrong !== undefined) this.#misread.push(`what was merged: ${wrong}`);
    for (const side of ["origin", "a"] as const) this.#ledgers[side] = new Ledger(this.#log.clock, numbersIn(bytes));
  }

  #mergeEnds(): Promise<string> {
    return new Promise((resolve) => {
      this.#child.heard = ({ event }) => {
        if (event === "merged" || event === "merge-failed") resolve(event);
      };
    });
  }

  async #write(side: "" | "a" | "b", ledger: Ledger, first: number, count: number, fua = false): Promise<void> {
    const number = this.#numbers.next();
    const acknowledged = ledger.begin(first, count, number, fua);
    const bytes = stamped(first, count, number);
    const done = await this.#request(side, fua ? "fua" : "write", (client) =>
      client.write(first * SECTOR_BYTES, bytes, fua ? CmdFlag.Fua : 0),
    );
    if (done) acknowledged();
  }

  async #flush(side: "" | "a" | "b", ledger: Ledger): Promise<void> {
    const answered = ledger.flushing();
    if (await this.#request(side, "flush", (client) => client.flush())) answered();
  }

  async #read(side: "" | "a" | "b", first: number, count: number): Promise<void> {
    const ledger =
      side === "" && !this.#merging ? this.#ledgers.origin : side === "b" ? this.#ledgers.b : this.#ledgers.a;
    await this.#request(side, "read", async (client) => {
      const bytes = Uint8Array.from(await client.read(first * SECTOR_BYTES, count * SECTOR_BYTES));
      const wrong = ledger?.wrong(bytes, this.#log.clock.tick(), "acknowledged", first);
      if (wrong !== undefined) this.#misread.push(`${side} read: ${wrong}`);
    });
  }

  async #request(side: Step["side"], what: Step["what"], body: (client: NbdClient) => Promise<void>): Promise<boolean> {
    const client = this.#clients.get(side);
    if (client === undefined) return false;
    return this.#step(side, what, () => body(client));
  }

  #order(side: Step["side"], what: Step["what"], body: () => Promise<void>): Promise<boolean> {
    return this.#step(side, what, body);
  }

  /** True: done. Anything but an error that a client or caller is told is a failure of the run. */
  async #step(side: Step["side"], what: Step["what"], body: () => Promise<void>): Promise<boolean> {
    const merging = this.#merging;
    try {
      await body();
      this.#steps.push({ side, what, error: "", merging });
      return true;
    } catch (error) {
      if (!(error instanceof NbdFailure) && !(error instanceof OrderFailure)) throw error;
      this.#steps.push({ side, what, error: error instanceof NbdFailure ? String(error.error) : error.code, merging });
      return false;
    }
  }

  async #connect(name: "" | "a" | "b"): Promise<void> {
    await this.#step(name, "connect", async () => {
      this.#clients.set(name, await NbdClient.open({ path: this.#socket }, name));
    });
  }

  #snapshot(name: string): { name: string; cow: string; chunkSize: number } {
    return { name, cow: this.#folder.path(`${name}.cow`), chunkSize: CHUNKS[name] * SECTOR_BYTES };
  }

  #open(names: readonly string[], noMerge = false): Promise<void> {
    const options = { ...this.#options, direct: true, workers: 1, listen: [`unix:${this.#socket}`] };
    return this.#child.open({
      ...{
        ...options,
        noMerge,
        origin: this.#folder.path("origin"),
        snapshots: names.map((name) => this.#snapshot(name)),
      },
    });
  }

  /** On devices that do not fail, with what is registered; the snapshot's own view can be read when its merge does not go on. */
  async #reopen(images: readonly Uint8Array[]): Promise<Reopened> {
    const log = new DeviceLog();
    for (const [index, name] of NAMES.entries()) {
      this.#folder.put(name, new LyingDevice({ index, bytes: images[index].slice(), log }));
    }
    const file = this.#folder.file("origin.snapshots");
    const text = file instanceof TextFile ? file.text : '{"snapshots":{}}';
    const { snapshots } = JSON.parse(text) as { snapshots: Record<string, { state: string }> };
    const registered = Object.keys(snapshots);
    const nothing = { origin: new Uint8Array(0), a: { state: "", view: undefined }, registered };
    try {
      await this.#open([...new Set(["a", ...registered])], true);
    } catch (error) {
      return { ...nothing, error: (error as OrderFailure).code ?? String(error) };
    }
    const { state } = await this.#child.status("a");
    const views = await Promise.all(["", ...(state === "active" ? ["a"] : [])].map((name) => this.#readWhole(name)));
    await this.#child.close();
    return { error: "", origin: views[0], a: { state, view: views[1] }, registered };
  }

  async #readWhole(name: string): Promise<Uint8Array> {
    const client = await NbdClient.open({ path: this.#socket }, name);
    const bytes = await readAll(client);
    await client.disconnect();
    return bytes;
  }
}
