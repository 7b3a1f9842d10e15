/** A volume's end in the export workers: how they are told, how often, and when it is over. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ABANDON_GRACE_MS, CLOSE_GRACE_MS } from "../../../src/base/constants.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { VolumeStop } from "../../../src/engine/volume-stop.ts";
import { kindOf, volumeOf } from "../../../src/ring/message-field.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { StopVolume } from "../../../src/ring/to-workers.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Told {
  readonly channel: Channel;
  /** What it has been told since the last time. */
  told(): number[];
}

function worker(dead = false): Told {
  const ring = createRing(16);
  const inbox = new RingConsumer(ring);
  return {
    channel: { outbox: new Outbox(ring, () => {}), dead, isClosed: false } as unknown as Channel,
    told: () => {
      const how: number[] = [];
      for (let at = inbox.peek(); at >= 0; at = inbox.peek()) {
        expect([kindOf(inbox.words, at), volumeOf(inbox.words, at)]).toEqual([Message.StopVolume, 7]);
        how.push(StopVolume.how.get(inbox.words, at));
        inbox.advance();
      }
      return how;
    },
  };
}

function newBench(): { stop: VolumeStop; workers: readonly Told[]; told: () => number[][] } {
  const workers = [worker(), worker()];
  const stop = new VolumeStop(
    7,
    workers.map(({ channel }) => channel),
  );
  return { stop, workers, told: () => workers.map((one) => one.told()) };
}

it("is over when the last worker has nothing of it, and adds up what was cut", async () => {
  const { stop, workers, told } = newBench();
  let over = false;
  const draining = stop.drain().then(() => (over = true));
  expect(told()).toEqual([[StopHow.Drain], [StopHow.Drain]]);
  stop.stopped(workers[0]!.channel, 3, 1);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(over).toBe(false);
  stop.stopped(workers[1]!.channel, 4, 2);
  await draining;
  expect([stop.cutClients, stop.wasCut]).toEqual([{ requests: 7, clients: 3 }, false]);
  vi.advanceTimersByTime(2 * CLOSE_GRACE_MS);
  expect(told()).toEqual([[], []]);
});

it("clients have their time, and are cut then", () => {
  const { stop, told } = newBench();
  void stop.drain();
  told();
  vi.advanceTimersByTime(CLOSE_GRACE_MS - 1);
  expect(told()).toEqual([[], []]);
  vi.advanceTimersByTime(1);
  expect(told()).toEqual([[StopHow.Cut], [StopHow.Cut]]);
  stop.cut();
  expect([told(), stop.wasCut]).toEqual([[[], []], false]);
});

it("a cut takes what is left of their time, or all of it, once", () => {
  const { stop, told } = newBench();
  void stop.drain();
  stop.cut();
  stop.cut();
  vi.advanceTimersByTime(CLOSE_GRACE_MS);
  expect([told(), stop.wasCut]).toEqual([[0, 1].map(() => [StopHow.Drain, StopHow.Cut]), true]);
  const early = newBench();
  early.stop.cut();
  expect(early.told()).toEqual([[], []]);
  void early.stop.drain();
  vi.advanceTimersByTime(0);
  expect(early.told()).toEqual([0, 1].map(() => [StopHow.Drain, StopHow.Cut]));
});

it("a volume that has failed is abandoned, also while it drains, and whoever does not read is cut a little later", () => {
  const { stop, told } = newBench();
  void stop.drain();
  void stop.abandon();
  void stop.abandon();
  vi.advanceTimersByTime(ABANDON_GRACE_MS);
  vi.advanceTimersByTime(CLOSE_GRACE_MS);
  expect(told()).toEqual([0, 1].map(() => [StopHow.Drain, StopHow.Abandon, StopHow.Cut]));
});

it("a worker that is dead is told nothing, and nobody waits when the threads have ended", async () => {
  const [alive, dead] = [worker(), worker(true)];
  const stop = new VolumeStop(7, [alive.channel, dead.channel]);
  const draining = stop.drain();
  expect([alive.told(), dead.told()]).toEqual([[StopHow.Drain], []]);
  stop.close();
  await draining;
});
