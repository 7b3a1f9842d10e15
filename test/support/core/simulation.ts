/**
 * A random life of a volume, from one seed: clients, creations, drops, merges, full and growing devices, failing disks, power
 * cuts; every answer checked against `register-model.ts`.
 *
 * The weights are drawn from the seed, too, so that some lives have no merge and others hardly anything else. What is checked:
 * no read is wrong; an origin write never fails because of a snapshot (E-15); a snapshot fails only for a reason; every request
 * is answered; after a power cut S-80…S-84.
 */
import { MAX_SNAPSHOTS } from "../../../src/base/constants.ts";
import { errnoName } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import type { StoreKind } from "../../../src/format/table-line.ts";
import { FakeDisk } from "./fake-disk.ts";
import {
  exclusiveOriginWrite,
  originFlush,
  originRead,
  originWrite,
  snapshotFlush,
  snapshotRead,
  snapshotWrite,
} from "./fake-client.ts";
import type { NoticeKind } from "../../../src/core/ports.ts";
import type { ClientSteps, Request, ShellOptions } from "./fake-shell.ts";
import { RegisterModel, stamped, stampsOf } from "./register-model.ts";
import { SeededRandom } from "./seeded-random.ts";
import { Volume } from "./volume.ts";

export interface Life {
  readonly faults: boolean;
  readonly merges: boolean;
  readonly crashes: boolean;
}

interface SimulatedSnapshot {
  readonly index: number;
  readonly store: StoreKind;
  readonly disk: FakeDisk;
  readonly chunkSectors: number;
  readonly roomy: boolean;
  model: RegisterModel | undefined;
}

interface Watched {
  readonly request: Request;
  readonly ended: (error: number) => void;
}

export class Simulation {
  readonly #random: SeededRandom;
  readonly #life: Life;
  readonly #options: ShellOptions;
  readonly #originSectors: number;
  readonly #snapshots = new Map<number, SimulatedSnapshot>();
  readonly #watched: Watched[] = [];
  #volume: Volume;
  #origin: RegisterModel;
  #clock = 1;
  #stamp = 1;
  #faulty = 0;
  /** Requests answered, by kind; how many failed. */
  readonly seen: Record<string, number> = {};

  constructor(seed: number, life: Life) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#life = life;
    this.#originSectors = 40 + random.below(60);
    this.#options = {
      random,
      registered: random.chance(50),
      early: random.chance(60),
      turns: random.chance(30),
      grantParts: random.chance(30),
      reserves: random.chance(40),
      cowThreshold: random.pick([1, 3, 2048]),
      chunksPerNeed: random.pick([1, 4, 256]),
      groupCount: random.pick([2, 7, 1024]),
      copyBytes: random.pick([1024, 4096, 1 << 20]),
      copyTargets: random.pick([1, 2, 31]),
      mergeBatches: random.chance(50),
      mergeChunks: random.pick([1, 5, 40]),
      mergeCopies: random.pick([1, 4]),
      metadataBlockBytes: random.pick([512, 4096]),
    };
    this.#volume = new Volume(
      new FakeDisk(new Uint8Array(this.#originSectors * SECTOR_BYTES), life.crashes),
      this.#options,
    );
    this.#origin = new RegisterModel(Array.from({ length: this.#originSectors }, () => [0]));
  }

  run(steps: number): void {
    const merging = this.#life.merges;
    for (let i = 0; i < steps; i++) {
      this.#clock += 1;
      if (this.#random.chance(12)) this.#request();
      if (this.#random.chance(1)) this.#newSnapshot();
      if (this.#random.chance(1) && this.#random.chance(30)) this.#dropOne();
      if (this.#random.chance(1) && this.#random.chance(30)) this.#growOne();
      if (merging && this.#random.chance(1) && this.#random.chance(50)) this.#mergeOne();
      if (this.#random.chance(2)) this.#volume.shell.fireTimer();
      if (this.#life.crashes && this.#random.chance(1) && this.#random.chance(15)) this.#crash();
      this.#volume.shell.step();
      this.#collect();
    }
    this.#drain();
    this.#readEverything();
  }

  // ---- requests ----

  #request(of?: SimulatedSnapshot): void {
    const choice = this.#random.below(10);
    const snapshots = [...this.#snapshots.values()];
    const snapshot = of ?? (snapshots.length > 0 && this.#random.chance(55) ? this.#random.pick(snapshots) : undefined);
    if (snapshot !== undefined && snapshot.model === undefined) return;
    const model = snapshot?.model ?? this.#origin;
    if (choice < 4) this.#write(snapshot, model);
    else if (choice < 8) this.#read(snapshot, model);
    else this.#flush(snapshot, model);
  }

  #range(): { readonly first: number; readonly count: number } {
    const count = 1 + this.#random.below(this.#random.chance(20) ? 30 : 6);
    const first = this.#random.below(this.#originSectors);
    return { first, count: Math.min(count, this.#originSectors - first) };
  }

  #write(snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
    const { first, count } = this.#range();
    const stamp = this.#stamp++;
    const data = stamped(count, stamp);
    const { shell } = this.#volume;
    const end = model.begin(first, count, stamp, this.#clock);
    const alone = this.#random.chance(10);
    const steps =
      snapshot === undefined
        ? (alone ? exclusiveOriginWrite : originWrite)(shell, first * SECTOR_BYTES, data)
        : snapshotWrite(shell, this.#volume.snapshot(snapshot.index), first * SECTOR_BYTES, data);
    this.#watch("write", snapshot, steps, (error) => end(error, this.#clock));
  }

  #read(snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
    const { first, count } = this.#range();
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    const start = this.#clock;
    const { shell } = this.#volume;
    const steps =
      snapshot === undefined
        ? originRead(shell, first * SECTOR_BYTES, bytes)
        : snapshotRead(shell, this.#volume.snapshot(snapshot.index), first * SECTOR_BYTES, bytes);
    this.#watch("read", snapshot, steps, (error) => {
      if (error === 0) this.#must(model.check(first, stampsOf(bytes), start, this.#clock), this.#name(snapshot));
    });
  }

  #flush(snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
    const start = this.#clock;
    const { shell } = this.#volume;
    const steps =
      snapshot === undefined ? originFlush(shell) : snapshotFlush(shell, this.#volume.snapshot(snapshot.index));
    this.#watch("flush", snapshot, steps, (error) => {
      if (error === 0) model.flushed(start);
    });
  }

  #watch(
    kind: string,
    snapshot: SimulatedSnapshot | undefined,
    steps: ClientSteps,
    then: (error: number) => void,
  ): void {
    const request = this.#volume.start(steps);
    const ended = (error: number): void => {
      this.seen[`${kind}${error === 0 ? "" : " failed"}`] =
        (this.seen[`${kind}${error === 0 ? "" : " failed"}`] ?? 0) + 1;
      if (error !== 0) this.#mayFail(kind, snapshot, error);
      then(error);
    };
    this.#watched.push({ request, ended });
  }

  /** A request fails only for a reason: a broken disk, or a snapshot without room. */
  #mayFail(kind: string, snapshot: SimulatedSnapshot | undefined, error: number): void {
    if (snapshot === undefined && this.#volume.shell.originPorts.merging < 0 && !this.#merged) {
      this.#must(`an origin ${kind} fails with ${errnoName(error)}`, "origin");
    }
    if (this.#faulty > 0 || snapshot === undefined || !snapshot.roomy) return;
    // It was dropped meanwhile.
    if (this.#snapshots.get(snapshot.index) !== snapshot) return;
    this.#must(`a ${kind} fails with ${errnoName(error)} for no reason`, this.#name(snapshot));
  }

  #merged = false;
  #nextIndex = 0;

  // ---- life cycle ----

  #newSnapshot(): void {
    if (this.#snapshots.size === 3) return;
    // A slot is used again only when no request can still name it: here, never.
    const index = this.#nextIndex++;
    if (index >= MAX_SNAPSHOTS) return;
    const chunkSectors = this.#random.pick([1, 1, 2, 4, 8]);
    const roomy = this.#random.chance(70);
    const chunks = Math.ceil(this.#originSectors / chunkSectors);
    const needed = 4 + chunks + Math.ceil(chunks / (chunkSectors * 32));
    const border = 33 + 33 * this.#random.below(3) + this.#random.below(4);
    const cowChunks = roomy ? needed : this.#random.chance(50) ? border : 3 + this.#random.below(needed);
    const disk = new FakeDisk(
      this.#garbage((cowChunks * chunkSectors + this.#random.below(chunkSectors)) * SECTOR_BYTES),
      this.#life.crashes,
    );
    const store = this.#random.pick<StoreKind>([
      "P",
      "P",
      "PO",
      ...(this.#life.crashes || this.#life.merges ? [] : ["N" as const]),
    ]);
    const snapshot: SimulatedSnapshot = { index, store, disk, chunkSectors, roomy, model: undefined };
    const start = this.#clock;
    this.#snapshots.set(index, snapshot);
    const operation = this.#volume.createLater(index, { disk, store, chunkSectors });
    this.#later(operation, (error) => {
      if (error !== 0) {
        this.#snapshots.delete(index);
        this.#volume.shell.detach(index);
        return;
      }
      const base = Array.from({ length: this.#originSectors }, (_, sector) =>
        this.#origin.candidates(sector, start, this.#clock),
      );
      snapshot.model = new RegisterModel(base);
      this.#breakSometimes(disk);
    });
  }

  /** A blank header, and behind it stale bytes that look like exceptions. */
  #garbage(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const words = new BigUint64Array(bytes.buffer);
    if (this.#random.chance(70)) for (let i = 2; i < words.length; i++) words[i] = BigInt(1 + this.#random.below(60));
    return bytes;
  }

  #breakSometimes(disk: FakeDisk): void {
    if (!this.#life.faults || !this.#random.chance(60)) return;
    const percent = this.#random.pick([1, 3, 10]);
    const kinds = this.#random.pick([["write"], ["flush"], ["write", "flush", "read"]]);
    this.#faulty += 1;
    disk.fault = (kind) => (kinds.includes(kind) && this.#random.chance(percent) ? 5 : 0);
  }

  #dropOne(): void {
    const candidates = [...this.#snapshots.values()].filter((snapshot) => snapshot.model !== undefined);
    if (candidates.length === 0) return;
    const snapshot = this.#random.pick(candidates);
    const { core } = this.#volume.shell;
    const operation = this.#volume.shell.operation((id) => core.dropSnapshot(id, snapshot.index));
    if (this.#volume.shell.results.get(operation)?.error) return;
    this.#snapshots.delete(snapshot.index);
    this.#later(operation, () => void this.#volume.shell.detach(snapshot.index));
  }

  #growOne(): void {
    const candidates = [...this.#snapshots.values()].filter((snapshot) => snapshot.model !== undefined);
    if (candidates.length === 0) return;
    const { disk, index, chunkSectors } = this.#random.pick(candidates);
    disk.grow(disk.bytes.length + this.#random.below(20) * chunkSectors * SECTOR_BYTES);
    this.#volume.shell.core.grow(index, disk.bytes.length / SECTOR_BYTES);
  }

  /** While nothing else is under way a snapshot takes the origin's place; then the clients come back. */
  #mergeOne(): void {
    const { shell } = this.#volume;
    if (shell.originPorts.merging >= 0) return this.#stopMerge();
    const candidates = [...this.#snapshots.values()].filter(
      (snapshot) => snapshot.model !== undefined && snapshot.store !== "N",
    );
    if (candidates.length === 0) return;
    this.#drain();
    const snapshot = this.#random.pick(candidates);
    // Its own export goes on: before and after, it shows the same volume.
    for (let i = this.#random.below(6); i > 0; i--) this.#request(snapshot);
    const operation = shell.operation((id) => shell.core.mergeStart(id, snapshot.index));
    this.#stepUntil(() => shell.originPorts.merging >= 0 || shell.results.has(operation));
    if (shell.originPorts.merging < 0) return;
    // From now on both names show the same volume.
    this.#merged = true;
    this.#origin = snapshot.model!;
  }

  #stopMerge(): void {
    const { shell } = this.#volume;
    this.#drain();
    const index = shell.originPorts.merging;
    for (let i = this.#random.below(6); i > 0; i--) this.#request(this.#snapshots.get(index));
    const operation = shell.operation((id) => shell.core.mergeStop(id, index));
    this.#stepUntil(() => shell.results.has(operation));
    if (shell.results.get(operation)?.error !== 0) return;
    this.#merged = false;
    // The bare origin shows itself; what is in its cache must not come into the model.
    this.#volume.origin.flush();
    this.#origin = this.#modelOf(stampsOf(this.#volume.origin.bytes));
  }

  #stepUntil(condition: () => boolean): void {
    while (!condition()) {
      if (!this.#volume.shell.step() && !this.#volume.shell.fireTimer()) break;
      this.#clock += 1;
      this.#collect();
    }
  }

  #modelOf(values: readonly number[]): RegisterModel {
    return new RegisterModel(values.map((value) => [value]));
  }

  // ---- crash ----

  /** The power fails: everything is opened again from what the disks have kept (S-80…S-84). */
  #crash(): void {
    this.#watched.length = 0;
    this.#pending.length = 0;
    const { shell } = this.#volume;
    const merging = shell.originPorts.merging;
    const origin = this.#volume.origin.crash(this.#random);
    const before = [...this.#snapshots.values()];
    const noticed = (event: NoticeKind): Set<number> =>
      new Set(shell.notices.filter((notice) => notice.event === event).map((notice) => notice.snapshot));
    const lost = noticed(this.#options.registered === true ? "register-failed" : "header-write-failed");
    const invalid = new Set([...shell.registry].filter(([, what]) => what === "invalid").map(([index]) => index));
    const troubled = noticed("invalid");
    this.#volume = new Volume(new FakeDisk(origin, true), this.#options);
    if (merging < 0) this.#must(this.#origin.checkCrash(stampsOf(origin)), "origin");
    this.#merged = false;
    this.#origin = this.#modelOf(stampsOf(origin));
    for (const snapshot of before) {
      this.#snapshots.delete(snapshot.index);
      if (snapshot.model === undefined || lost.has(snapshot.index) || invalid.has(snapshot.index)) continue;
      const disk = new FakeDisk(snapshot.disk.crash(this.#random), true);
      const opened = this.#volume.open(snapshot.index, {
        disk,
        store: snapshot.store,
        chunkSectors: snapshot.chunkSectors,
      });
      if (opened.ports.state === SnapshotState.Invalid) {
        const known = troubled.has(snapshot.index) || this.#faulty > 0 || !snapshot.roomy;
        this.#must(known ? undefined : "is invalid after the crash for no reason", this.#name(snapshot));
        this.#volume.shell.core.dropSnapshot(0, snapshot.index);
        this.#volume.shell.run();
        this.#volume.shell.results.delete(0);
        this.#volume.shell.detach(snapshot.index);
        continue;
      }
      const { error, bytes } = this.#volume.read(snapshot.index, 0, origin.length);
      this.#must(error === 0 ? snapshot.model.checkCrash(stampsOf(bytes)) : errnoName(error), this.#name(snapshot));
      this.#snapshots.set(snapshot.index, {
        ...snapshot,
        disk,
        // Chunks that were handed out and not committed are holes now (S-6): an exact size may not suffice any more.
        roomy: false,
        model: this.#modelOf(stampsOf(bytes)),
      });
    }
    this.seen["crash"] = (this.seen["crash"] ?? 0) + 1;
  }

  // ---- inside ----

  readonly #pending: { readonly operation: number; readonly then: (error: number) => void }[] = [];

  #later(operation: number, then: (error: number) => void): void {
    this.#pending.push({ operation, then });
  }

  #collect(): void {
    const { results } = this.#volume.shell;
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const { operation, then } = this.#pending[i]!;
      const result = results.get(operation);
      if (result === undefined) continue;
      this.#pending.splice(i, 1);
      then(result.error);
    }
    for (let i = this.#watched.length - 1; i >= 0; i--) {
      const { request, ended } = this.#watched[i]!;
      if (!request.done) continue;
      this.#watched.splice(i, 1);
      ended(request.error);
    }
  }

  /** Let everything come to its end: every request is answered. A merge goes as far as it can. */
  #drain(): void {
    const { shell } = this.#volume;
    do {
      while (shell.step()) {
        this.#clock += 1;
        this.#collect();
      }
    } while (shell.fireTimer());
    this.#collect();
    this.#must(
      this.#watched.length === 0 ? undefined : `${this.#watched.length} requests are never answered`,
      "volume",
    );
    this.#must(shell.core.waiting === 0 ? undefined : "tokens are left at main", "volume");
    this.#must(this.#pending.length === 0 ? undefined : "an operation never ends", "volume");
  }

  #readEverything(): void {
    for (const snapshot of [undefined, ...this.#snapshots.values()]) {
      const model = snapshot === undefined ? this.#origin : snapshot.model!;
      this.#clock += 2;
      const { error, bytes } = this.#volume.read(snapshot?.index ?? "origin", 0, this.#originSectors * SECTOR_BYTES);
      if (error === 0) this.#must(model.check(0, stampsOf(bytes), this.#clock - 1, this.#clock), this.#name(snapshot));
      else this.#mayFail("read", snapshot, error);
    }
  }

  #name(snapshot: SimulatedSnapshot | undefined): string {
    return snapshot === undefined
      ? "origin"
      : `snapshot ${snapshot.index} (${snapshot.store} ${snapshot.chunkSectors})`;
  }

  #must(wrong: string | undefined, where: string): void {
    if (wrong !== undefined) throw new Error(`${where}: ${wrong}`);
  }
}
