/**
 * A snapshot of a living volume, as its judge knows it: the model of what it may hold, and what fio's part held when it was read first, which nobody writes.
 */
import type { User } from "../soak/user.ts";
import type { ChainRecording } from "./chain.ts";
import type { DrawnSpec } from "./drawn-spec.ts";
import type { ExportModel } from "./export-model.ts";

export interface SnapshotOf {
  readonly volume: string;
  readonly name: string;
  readonly drawn: DrawnSpec;
  readonly model: ExportModel;
  readonly group?: string | undefined;
  /** Of its making; where it is a group's member, the group judges. */
  readonly chain?: ChainRecording | undefined;
}

export class LivingSnapshot {
  readonly volume: string;
  readonly name: string;
  readonly drawn: DrawnSpec;
  group: string | undefined;
  model: ExportModel;
  /** Taken when it is read first. */
  rest: Buffer | undefined;
  chain: ChainRecording | undefined;
  users: User[] = [];

  constructor({ volume, name, drawn, model, group, chain }: SnapshotOf) {
    this.volume = volume;
    this.name = name;
    this.drawn = drawn;
    this.model = model;
    this.group = group;
    this.chain = chain;
  }

  get exportName(): string {
    return `${this.volume}@${this.name}`;
  }

  /** The volume was rolled back to it, and it is one of the moment at which that ended. */
  becomes(model: ExportModel, chain: ChainRecording): void {
    this.model = model;
    this.rest = undefined;
    this.chain = chain;
  }
}
