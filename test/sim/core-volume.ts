/**
 * Depth A: the core on the fake shell of the core's tests, with clients that follow the protocol step by step.
 */
import type { SnapshotState } from "../../src/base/states.ts";
import type { Core } from "../../src/core/core.ts";
import type { RoomNews } from "../../src/core/room-policy.ts";
import type { FakeDisk } from "../support/core/fake-disk.ts";
import {
  exclusiveOriginWrite,
  originFlush,
  originRead,
  originWrite,
  snapshotFlush,
  snapshotRead,
  snapshotWrite,
} from "../support/core/fake-client.ts";
import type { ClientSteps, FakeShell, ShellOptions } from "../support/core/fake-shell.ts";
import { Volume } from "../support/core/volume.ts";
import type { Ask, CowSpec, SimRequest, SimVolume } from "./sim-volume.ts";

export class CoreVolume implements SimVolume {
  readonly servesMerging = true;
  readonly reserveMargin = 16;
  /** The workers that do are depth B's. */
  readonly keepsTrims = false;
  readonly #volume: Volume;
  readonly #shell: FakeShell;

  constructor(origin: FakeDisk, options: ShellOptions) {
    this.#volume = new Volume(origin, options);
    this.#shell = this.#volume.shell;
  }

  get origin(): FakeDisk {
    return this.#volume.origin;
  }

  get core(): Core {
    return this.#shell.core;
  }

  get notices(): SimVolume["notices"] {
    return this.#shell.notices;
  }

  get registry(): SimVolume["registry"] {
    return this.#shell.registry;
  }

  get results(): SimVolume["results"] {
    return this.#shell.results;
  }

  get stalled(): number {
    return this.#shell.stalled;
  }

  set stalled(device: number) {
    this.#shell.stalled = device;
  }

  get merging(): number {
    return this.#shell.originPorts.merging;
  }

  get indices(): readonly number[] {
    return [...this.#shell.snapshots.keys()];
  }

  bucketMates(chunk: number): readonly number[] {
    return [-12, -8, -4, 4, 8, 12].map((far) => chunk + far);
  }

  request(snapshot: number | undefined, ask: Ask): SimRequest {
    return this.#volume.start(snapshot === undefined ? this.#toOrigin(ask) : this.#toSnapshot(snapshot, ask));
  }

  open(index: number, spec: CowSpec): void {
    this.#shell.registry.set(index, spec.merging ? "merging" : "active");
    this.#volume.open(index, spec);
  }

  create(index: number, spec: CowSpec): number {
    return this.#volume.createLater(index, spec);
  }

  order(start: (operation: number) => void): number {
    return this.#shell.operation(start);
  }

  grow(index: number, sectors: number): void {
    this.core.grow(index, sectors);
  }

  get wants(): SimVolume["wants"] {
    return this.#shell.wants;
  }

  room(index: number, news: RoomNews): void {
    this.core.room(index, news);
  }

  mergeContinue(): void {
    this.core.mergeContinue();
  }

  detach(index: number): void {
    this.#shell.detach(index);
  }

  state(index: number): SnapshotState {
    return this.#volume.snapshot(index).ports.state;
  }

  entries(index: number): number {
    return this.#volume.snapshot(index).ports.table.count();
  }

  step(): boolean {
    return this.#shell.step();
  }

  fireTimer(): boolean {
    return this.#shell.fireTimer();
  }

  die(): void {
    this.#shell.die();
  }

  leave(): void {}

  end(): void {}

  #toOrigin(ask: Ask): ClientSteps {
    const shell = this.#shell;
    switch (ask.kind) {
      case "read":
        return originRead(shell, ask.at, ask.into);
      case "write":
        return ask.alone
          ? exclusiveOriginWrite(shell, ask.at, ask.data)
          : originWrite(shell, ask.at, ask.data, ask.fua);
      case "trim":
        return originWrite(shell, ask.at, new Uint8Array(ask.length));
      case "flush":
        return originFlush(shell);
    }
  }

  #toSnapshot(index: number, ask: Ask): ClientSteps {
    const shell = this.#shell;
    const snapshot = this.#volume.snapshot(index);
    switch (ask.kind) {
      case "read":
        return snapshotRead(shell, snapshot, ask.at, ask.into);
      case "write":
        return snapshotWrite(shell, snapshot, ask.at, ask.data, ask.fua);
      case "trim":
        return nothing();
      case "flush":
        return snapshotFlush(shell, snapshot);
    }
  }
}

/** E-12: a trim of a snapshot is answered, and leaves the data as it is. */
function* nothing(): ClientSteps {
  yield undefined;
  return 0;
}
