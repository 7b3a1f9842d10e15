/**
 * Groups over living volumes: snapshots of two to four of them at one moment, made whole or not at all, and dropped whole.
 *
 * It takes its turn in each of the volumes, in their order. The writer that goes from volume to volume judges whether the members are of one moment (chain.ts).
 */
import type { SeededRandom } from "../support/core/seeded-random.ts";
import type { ChainRecording } from "./chain.ts";
import { type DrawnSpec, drawSpec, specWords } from "./drawn-spec.ts";
import type { Recording } from "./export-model.ts";
import type { Operation } from "./living-daemon.ts";
import { LivingSnapshot } from "./living-snapshot.ts";
import type { LifeParts, LivingVolume } from "./living-volume.ts";
import { SNAPSHOTS_MAX } from "./verbs.ts";

const GROUPS_MAX = 2;

interface MakingMember {
  readonly volume: LivingVolume;
  readonly name: string;
  readonly drawn: DrawnSpec;
  readonly recording: Recording;
}

interface MakingGroup {
  readonly name: string;
  readonly members: readonly MakingMember[];
  readonly chain: ChainRecording;
}

interface LivingGroup {
  readonly name: string;
  readonly members: readonly { readonly volume: LivingVolume; readonly snapshot: LivingSnapshot }[];
  /** Was asked for its drop. */
  isDropping: boolean;
}

export class LivingGroups {
  readonly #life: LifeParts;
  readonly #volumes: readonly LivingVolume[];
  readonly #random: SeededRandom;
  readonly #groups: LivingGroup[] = [];
  #making: MakingGroup | undefined;
  #names = 0;

  constructor(life: LifeParts, volumes: readonly LivingVolume[], random: SeededRandom) {
    this.#life = life;
    this.#volumes = volumes;
    this.#random = random;
  }

  async happen(): Promise<void> {
    const random = this.#random;
    if (this.#groups.length < GROUPS_MAX && random.chance(70)) {
      const count = 2 + random.below(this.#volumes.length - 1);
      const chosen = [...this.#volumes];
      while (chosen.length > count) chosen.splice(random.below(chosen.length), 1);
      await inTurn(chosen, () => this.#create(chosen));
    } else if (this.#groups.length > 0) {
      const group = random.pick(this.#groups);
      const volumes = this.#volumes.filter((volume) => group.members.some((member) => member.volume === volume));
      await inTurn(volumes, () => this.#drop(group));
    }
  }

  /** Before its volumes look for theirs. */
  async afterKill(): Promise<void> {
    await this.#settleMaking();
    for (const group of [...this.#groups]) if (group.isDropping) await this.#dropRest(group);
    const { body } = await this.#life.daemon.ask<{ groups: { name: string }[] }>("GET", "/v1/groups");
    const there = body.groups.map(({ name }) => name).sort();
    const expected = this.#groups.map(({ name }) => name).sort();
    if (JSON.stringify(there) !== JSON.stringify(expected))
      throw new Error(`there are the groups ${there.join()}, not ${expected.join()}`);
  }

  async #create(chosen: readonly LivingVolume[]): Promise<void> {
    const isFree = ({ snapshots, merging }: LivingVolume): boolean =>
      merging === undefined && snapshots.length < SNAPSHOTS_MAX + 1;
    const volumes = chosen.filter(isFree);
    if (volumes.length < 2) return;
    const name = `g${this.#names++}`;
    // By the command all members are alike.
    const common = drawSpec(this.#random, Math.max(...volumes.map(({ spec }) => spec.bytes)), "");
    const isCommon = common.spec.device === undefined && this.#random.chance(20);
    const members = volumes.map((volume) => {
      const of = `${name}-${volume.name}`;
      const drawn = isCommon ? common : drawSpec(this.#random, volume.spec.bytes, volume.deviceFor(of));
      return { volume, name: isCommon ? name : of, drawn, recording: volume.origin.record() };
    });
    this.#making = { name, members, chain: this.#life.chain().record(volumes.map((volume) => volume.name)) };
    const body = {
      members: members.map(({ volume, name: snapshot, drawn }) => ({ volume: volume.name, snapshot, ...drawn.spec })),
    };
    const words = [
      "snapshot",
      "create",
      ...volumes.map((volume) => `${volume.name}@${name}`),
      ...specWords(common.spec),
    ];
    if (isCommon) await this.#life.daemon.say(words, ["PUT", `/v1/groups/${name}`, body]);
    else await this.#life.daemon.ask("PUT", `/v1/groups/${name}`, body);
    const { chain } = this.#making;
    const group = this.#made();
    await this.#judge(group, chain);
    this.#life.done("group");
    if (this.#random.chance(30)) {
      const again = await this.#life.daemon.ask("PUT", `/v1/groups/${name}`, body);
      if (again.status !== 200) throw new Error(`group ${name} was made twice`);
      this.#life.done("repeat");
    }
    for (const { volume, snapshot } of group.members) volume.startUsersOf(snapshot);
  }

  #made(): LivingGroup {
    if (this.#making === undefined) throw new Error("no group is being made");
    const { name, members, chain } = this.#making;
    this.#life.chain().end(chain);
    const group: LivingGroup = {
      name,
      isDropping: false,
      members: members.map(({ volume, name: snapshotName, drawn, recording }) => {
        volume.origin.endRecording();
        const model = volume.modelOfSnapshot(recording);
        const snapshot = new LivingSnapshot({ volume: volume.name, name: snapshotName, drawn, model, group: name });
        volume.snapshots.push(snapshot);
        return { volume, snapshot };
      }),
    };
    this.#groups.push(group);
    this.#making = undefined;
    return group;
  }

  /** Of its members, those that are not lost are of one moment. */
  async #judge({ members }: LivingGroup, chain: ChainRecording): Promise<void> {
    const found = new Map();
    for (const { volume, snapshot } of members)
      if (await volume.readSnapshot(snapshot)) found.set(volume.name, snapshot.model);
    chain.judge(found);
  }

  async #settleMaking(): Promise<void> {
    const making = this.#making;
    if (making === undefined) return;
    const all = await this.#life.daemon.snapshots();
    const there = making.members.filter(({ volume, name }) =>
      all.some((one) => one.volume === volume.name && one.name === name),
    );
    if (there.length === making.members.length) {
      await this.#judge(this.#made(), making.chain);
      return this.#life.done("group, cut and finished");
    }
    if (there.length > 0) throw new Error(`of group ${making.name} some members are there, and not all`);
    for (const { volume } of making.members) volume.origin.endRecording();
    this.#life.chain().end(making.chain);
    this.#making = undefined;
    this.#life.done("group, cut and undone");
  }

  async #drop(group: LivingGroup): Promise<void> {
    if (group.members.some(({ volume }) => volume.merging !== undefined)) return;
    for (const { volume, snapshot } of group.members) await volume.endUsersOf(snapshot);
    group.isDropping = true;
    await this.#dropRest(group);
  }

  async #dropRest(group: LivingGroup): Promise<void> {
    const { daemon } = this.#life;
    const path = `/v1/groups/${group.name}`;
    const answer = await daemon.ask<{ operations: Operation[] }>("DELETE", path);
    const begun = answer.status === 204 ? [] : answer.body.operations;
    // Those of an earlier try, that was cut, go on by themselves.
    const others = (await daemon.operations()).filter(({ kind, volume, snapshot }) =>
      group.members.some(
        (member) => kind === "drop" && member.volume.name === volume && member.snapshot.name === snapshot,
      ),
    );
    for (const { id } of [...begun, ...others]) await daemon.ended(id, "done");
    for (const { volume, snapshot } of group.members) volume.forget(snapshot);
    this.#groups.splice(this.#groups.indexOf(group), 1);
    this.#life.done("group drop");
    if ((await daemon.ask("DELETE", path)).status !== 204) throw new Error(`group ${group.name} is not gone`);
  }
}

/** Resolves as `body` does, which has the turn of all of them. */
async function inTurn(volumes: readonly LivingVolume[], body: () => Promise<void>): Promise<void> {
  const [first, ...rest] = volumes;
  if (first === undefined) return await body();
  await first.turn.take(() => inTurn(rest, body));
}
