/**
 * The merge of a living volume: rolled back to a snapshot while its clients stay connected, paused, paced, gone on with, and now and then cancelled.
 *
 *   asked ─▶ presented ─▶ … ─▶ done         the volume reads as the snapshot did, and goes on; the snapshot is one of the moment at which it ends
 *              └─▶ cancelling ─▶ cancelled  the volume holds what was merged, and else what it had before; the snapshot is what was presented
 *
 * A kill may come anywhere: `afterKill` looks how far the daemon has come, and the merge is seen through from there.
 */
import { ControlError } from "../../src/cli/control-client.ts";
import { SECTOR } from "../soak/sector-model.ts";
import type { ChainRecording } from "./chain.ts";
import type { Recording } from "./export-model.ts";
import { Cut, type Operation } from "./living-daemon.ts";
import type { LivingSnapshot } from "./living-snapshot.ts";
import type { LivingVolume } from "./living-volume.ts";

const CANCEL_PERCENT = 25;
const ACTS_MAX = 4;
/** Asked for while it cannot be made. */
export const NOT_NOW = "not-now";

type Phase = "asked" | "presented" | "cancelling";

interface MergeOperation extends Operation {
  readonly params: Readonly<Record<string, unknown>>;
}

export class Merging {
  readonly #volume: LivingVolume;
  readonly snapshot: LivingSnapshot;
  #phase: Phase = "asked";
  #operation: string | undefined;
  #isCancelAnswered = false;
  /** Of the volume before it. */
  #versions = new Uint32Array(0);
  #rest: Buffer = Buffer.alloc(0);
  /** What was presented when it was cancelled. */
  #presentedRest: Buffer = Buffer.alloc(0);
  #recording: Recording | undefined;
  #chain: ChainRecording | undefined;

  constructor(volume: LivingVolume, snapshot: LivingSnapshot) {
    this.#volume = volume;
    this.snapshot = snapshot;
  }

  /** False: its snapshot is one that may be lost, and is. */
  async begin(): Promise<boolean> {
    const { random, life } = this.#volume;
    const { snapshot } = this;
    await this.#volume.endUsersOf(snapshot);
    if (!(await this.#volume.readSnapshot(snapshot))) return false;
    await this.#volume.restClients();
    this.#rest = await this.#volume.readOrigin();
    this.#versions = this.#volume.origin.sectors.versions.slice();
    this.#volume.merging = this;
    const throttle = random.pick([1, 5, 25, 100]);
    const begin = (): Promise<{ body: Operation }> => life.daemon.ask<Operation>("POST", this.#path, { throttle });
    const { body } = await begin();
    this.#operation = body.id;
    if (random.chance(30)) await this.#expectTheSame(begin);
    await this.#present();
    this.#volume.wakeClients();
    life.done("merge");
    return true;
  }

  /** From where it is, to its end. */
  async seeThrough(): Promise<void> {
    const { random, life } = this.#volume;
    for (let acts = random.below(ACTS_MAX); acts > 0 && !life.isOver(); acts--) await this.#act();
    if (random.chance(CANCEL_PERCENT)) return await this.#cancel();
    await this.#change({ paused: false, throttle: 100 });
    await life.daemon.ended(this.#id, "done");
    await this.#done();
  }

  /** The daemon is there again. The live volume is right, and may be read, when it resolves. */
  async afterKill(): Promise<void> {
    const { life, knownMerges } = this.#volume;
    const operations = (await life.daemon.operations()) as readonly MergeOperation[];
    const { volume, name } = this.snapshot;
    const found = operations.find(
      (one) => one.kind === "merge" && one.volume === volume && one.snapshot === name && !knownMerges.has(one.id),
    );
    if (found === undefined) {
      if (this.#phase !== "asked" || this.#operation !== undefined) throw new Error(`${this.#operation} is forgotten`);
      return this.#end();
    }
    this.#operation = found.id;
    if (this.#phase === "asked") return await this.#present();
    if (this.#phase === "presented") return;
    const isCancelled = this.#isCancelAnswered || found.params["cancelled"] === true || found.state === "cancelled";
    if (isCancelled) return await this.#cancelled(await life.daemon.ended(found.id, "cancelled", "done"));
    this.#phase = "presented";
  }

  get #path(): string {
    return `/v1/volumes/${this.#volume.name}/snapshots/${this.snapshot.name}/merge`;
  }

  get #id(): string {
    if (this.#operation === undefined) throw new Error("it was not begun");
    return this.#operation;
  }

  async #expectTheSame(begin: () => Promise<{ body: Operation }>): Promise<void> {
    const operation = (await this.#volume.life.daemon.ask<Operation>("GET", `/v1/operations/${this.#id}`)).body;
    // One that has ended would begin anew.
    if (operation.state !== "running" || !(await this.#change({ paused: true }))) return;
    const again = await begin();
    if (again.body.id !== this.#id) throw new Error(`${again.body.id} was begun beside ${this.#id}`);
    await this.#change({ paused: false });
    this.#volume.life.done("repeat");
  }

  async #present(): Promise<void> {
    const { life, origin, name } = this.#volume;
    const { snapshot } = this;
    for (;;) {
      const { body } = await life.daemon.ask<Operation>("GET", `/v1/operations/${this.#id}`);
      if (body.state === "failed" || body.state === "cancelled") throw new Error(`no merge: ${JSON.stringify(body)}`);
      if (body.state === "done" || (await this.#volume.view(snapshot)).state === "merging") break;
    }
    origin.becomes(snapshot.model);
    if (snapshot.rest === undefined) throw new Error(`${snapshot.exportName} was not read before it was merged`);
    this.#phase = "presented";
    this.#record();
    await this.#volume.expectRest(snapshot.rest, `volume ${name}, rolled back`);
  }

  #record(): void {
    const { life, origin, name } = this.#volume;
    this.#recording = origin.record();
    this.#chain = life.chain().record([name]);
  }

  /** False: it has ended meanwhile. */
  async #change(how: { readonly paused?: boolean; readonly throttle?: number }): Promise<boolean> {
    const { life, name } = this.#volume;
    try {
      await life.daemon.ask("PATCH", `/v1/volumes/${name}/merge`, how);
      return true;
    } catch (error) {
      if (error instanceof ControlError && ["not-found", "refused"].includes(error.code)) return false;
      throw error;
    }
  }

  async #act(): Promise<void> {
    const { random, life } = this.#volume;
    if (random.chance(40)) {
      if (await this.#change({ throttle: random.pick([1, 10, 50, 100]) })) life.done("throttle");
      return;
    }
    if (!(await this.#change({ paused: true }))) return;
    life.done("pause");
    if (random.chance(50)) await this.#refuse();
    for (const other of this.#volume.snapshots)
      if (other !== this.snapshot && random.chance(50)) await this.#volume.readQuietly(other);
    if (await this.#change({ paused: false })) life.done("resume");
  }

  /** Neither a snapshot nor a drop of this one while it merges. The step under way when it was paused may have been the last: then it is over. */
  async #refuse(): Promise<void> {
    const { life, name } = this.#volume;
    const drop = `/v1/volumes/${name}/snapshots/${this.snapshot.name}?dryRun=true`;
    const code = this.snapshot.group === undefined ? "merging" : "in-group";
    await this.#refusedUnlessOver(() => life.daemon.refuses(code, "DELETE", drop));
    const path = `/v1/volumes/${name}/snapshots/${NOT_NOW}`;
    await this.#refusedUnlessOver(async () => {
      const spec = { size: 16 * 2 ** 20, pool: "disk" };
      const made = await life.daemon.ask("PUT", path, spec).catch((error: unknown) => {
        if (error instanceof ControlError) return undefined;
        throw error;
      });
      if (made === undefined) return;
      await life.daemon.ended((await life.daemon.ask<Operation>("DELETE", path)).body.id, "done");
      throw new Error(`${path}: a snapshot was made of a volume that merges`);
    });
    life.done("refusal");
  }

  async #refusedUnlessOver(refuse: () => Promise<void>): Promise<void> {
    try {
      await refuse();
    } catch (error) {
      if (error instanceof Cut) throw error;
      const { body } = await this.#volume.life.daemon.ask<Operation>("GET", `/v1/operations/${this.#id}`);
      if (body.state !== "done") throw error;
    }
  }

  async #cancel(): Promise<void> {
    const { life } = this.#volume;
    await this.#volume.restClients();
    this.#presentedRest = await this.#volume.readOrigin();
    this.#phase = "cancelling";
    await life.daemon.ask("DELETE", `/v1/operations/${this.#id}`);
    this.#isCancelAnswered = true;
    await this.#cancelled(await life.daemon.ended(this.#id, "cancelled", "done"));
    this.#volume.wakeClients();
  }

  async #cancelled({ state }: Operation): Promise<void> {
    // It was over before.
    if (state === "done") return await this.#done();
    const { origin, life, name } = this.#volume;
    const { snapshot } = this;
    const { recording, chain } = this.#endRecording();
    // Nobody has written since: it is what was presented. All of it is known at once, for what follows may be cut.
    snapshot.becomes(this.#volume.modelOfSnapshot(recording), chain);
    snapshot.rest = this.#presentedRest;
    origin.mayAlsoBe(this.#versions);
    this.#end();
    const rest = await this.#volume.readOrigin();
    for (let at = 0; at < rest.length; at += SECTOR) {
      const isOneOf = [this.#presentedRest, this.#rest].some(
        (one) => rest.compare(one, at, at + SECTOR, at, at + SECTOR) === 0,
      );
      if (!isOneOf) throw new Error(`volume ${name}: byte ${at} of its rest is neither merged nor as it was`);
    }
    if (await this.#volume.readSnapshot(snapshot)) this.#volume.startUsersOf(snapshot);
    life.done("cancel");
  }

  async #done(): Promise<void> {
    const { recording, chain } = this.#endRecording();
    this.snapshot.becomes(this.#volume.modelOfSnapshot(recording), chain);
    this.#end();
    if (await this.#volume.readSnapshot(this.snapshot)) this.#volume.startUsersOf(this.snapshot);
    this.#volume.life.done("merged");
  }

  #endRecording(): { recording: Recording; chain: ChainRecording } {
    if (this.#recording === undefined || this.#chain === undefined) throw new Error("nothing was presented");
    this.#volume.origin.endRecording();
    this.#volume.life.chain().end(this.#chain);
    return { recording: this.#recording, chain: this.#chain };
  }

  #end(): void {
    if (this.#operation !== undefined) this.#volume.knownMerges.add(this.#operation);
    this.#volume.merging = undefined;
  }
}
