/**
 * What the shell around a core knows to be under way: a volume that has failed lets go of its devices when that is nothing.
 *
 * A copy for two snapshots was over for the shell with its first answer, which comes early where one of the devices is slow (E-18): the volume left
 * its engine, and the other device's number was given to another volume, while the copy still wrote.
 */
import { describe, expect, it } from "vitest";
import type { Core } from "../../../src/core/core.ts";
import type { CopyJob } from "../../../src/core/ports.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { CoreShell } from "../../../src/engine/core-shell.ts";
import type { MetadataSender } from "../../../src/engine/metadata-sender.ts";
import type { Switchboard } from "../../../src/engine/switchboard.ts";
import { Message } from "../../../src/ring/messages.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing } from "../../../src/ring/spsc-ring.ts";

const VOLUME = 3;

class Bench {
  readonly shell: CoreShell;
  readonly copied: unknown[][] = [];
  idle = false;

  constructor() {
    const outbox = new Outbox(createRing(64), () => {});
    const core = { copied: (...told: unknown[]) => this.copied.push(told), metadataDone: () => {} } as unknown as Core;
    this.shell = new CoreShell({
      switchboard: { join: () => {}, touch: () => {} } as unknown as Switchboard,
      volume: VOLUME,
      exports: [],
      copies: [{ outbox } as unknown as Channel],
      metadata: { send: () => {} } as unknown as MetadataSender,
      fileOf: (device) => device,
      events: {
        ...{ register: () => Promise.resolve(), flushOrigin: () => Promise.resolve(0) },
        ...{ notice: () => {}, failed: () => {}, stopped: () => {}, wantRoom: () => {}, level: () => {} },
      },
      groupWaitMs: 0,
      newCore: () => core,
    });
  }

  copy(id: number, ...devices: readonly number[]): void {
    const target = { sector: 0, offsetSectors: 0, sectors: 8 };
    const targets = devices.map((device) => ({ device, ...target }));
    const job: CopyJob = { id, source: 0, sector: 0, sectors: 8, targets };
    this.shell.copy(job);
  }

  /** Of a copy worker: these targets of the job have ended. */
  answer(id: number, ended: number): void {
    const words = Int32Array.from([Message.Copied, id, ended, 0, 0, 0, 0, 0]);
    this.shell.message({} as Channel, Message.Copied, words, 0);
  }

  /** Whether it says so, when everything that is due has happened. */
  async isIdle(): Promise<boolean> {
    void this.shell.idle().then(() => (this.idle = true));
    await new Promise((resolve) => setImmediate(resolve));
    return this.idle;
  }
}

describe.each([false, true])("a shell (whose volume has failed: %s)", (failed) => {
  it("is idle when every target of a copy has ended, however many answers that takes (E-18)", async () => {
    const bench = new Bench();
    bench.copy(1, 1, 2, 3);
    if (failed) bench.shell.end();
    bench.answer(1, 0b010);
    expect(await bench.isIdle()).toBe(false);
    bench.answer(1, 0b101);
    expect(await bench.isIdle()).toBe(true);
    expect(bench.copied.map(([, ended]) => ended)).toEqual(failed ? [] : [0b010, 0b101]);
  });

  it("is not idle for a copy beside one that was answered in parts", async () => {
    const bench = new Bench();
    bench.copy(1, 1, 2);
    bench.copy(2, 1);
    if (failed) bench.shell.end();
    bench.answer(1, 0b01);
    bench.answer(1, 0b10);
    expect(await bench.isIdle()).toBe(false);
    bench.answer(2, 0b1);
    expect(await bench.isIdle()).toBe(true);
  });

  it("is not idle while a metadata job is under way", async () => {
    const bench = new Bench();
    const job = { kind: "flush", snapshot: 0, device: 1 } as const;
    bench.shell.metadata(job);
    if (failed) bench.shell.end();
    expect(await bench.isIdle()).toBe(false);
    bench.shell.metadataDone(job, 0, undefined);
    expect(await bench.isIdle()).toBe(true);
  });
});

it("nothing has begun: it is idle", async () => {
  expect(await new Bench().isIdle()).toBe(true);
});
