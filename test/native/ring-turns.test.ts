/**
 * Turns: when they sleep, how many completions they give, and how often they enter the kernel.
 */
import { describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { FileKind } from "../../src/device/port.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { ARENA_BYTES, PAGE, RingBench, addon, modes, nop } from "./ring-bench.ts";
import type { Done } from "./ring-bench.ts";

const users = (done: readonly Done[]): number[] => done.map((d) => d.user).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe.each(modes())("turns (%s)", (mode) => {
  it("with nothing under way, a turn that may wait returns 0", () => {
    using bench = new RingBench(mode);
    expect(bench.ring.turn(0, true)).toBe(0);
  });

  it("a turn with completions of its own does not wait for others", () => {
    using bench = new RingBench(mode);
    bench.file(0, PAGE, 0x61, FileKind.Inline);
    bench.event(1);
    const done = bench.turn(
      [
        { op: IoOp.EventRead, file: 1, user: 1 },
        { op: IoOp.Read, file: 0, length: 8, user: 2 },
      ],
      true,
    );
    expect(done).toEqual([{ user: 2, result: 8 }]);
  });

  it("a refused descriptor is a completion that ends the wait", () => {
    using bench = new RingBench(mode);
    bench.event(1);
    const done = bench.turn(
      [
        { op: IoOp.EventRead, file: 1, user: 1 },
        { op: 200, user: 2 },
      ],
      true,
    );
    expect(done).toEqual([{ user: 2, result: -errno.EINVAL }]);
  });

  it("a turn that does not wait collects what completed meanwhile", () => {
    using bench = new RingBench(mode);
    const fd = bench.event(0);
    bench.turn([{ op: IoOp.EventRead, file: 0, user: 5 }], false);
    addon().signalEvent(fd);
    let done: Done[] = [];
    while (done.length === 0) done = bench.turn([], false);
    expect(done).toEqual([{ user: 5, result: 8 }]);
  });

  it("more completions than a turn has room for come in the next ones, none lost, none twice", () => {
    using bench = new RingBench(mode, { capacity: 8, files: 40 });
    const events = upTo(40).map((i) => bench.event(i));
    for (let i = 0; i < 40; i += 8) {
      const batch = upTo(8).map((k) => ({ op: IoOp.EventRead, file: i + k, user: i + k, at: 8 * (i + k) }));
      expect(bench.turn(batch, false)).toEqual([]);
    }
    for (const fd of events) addon().signalEvent(fd);
    const all: Done[] = [];
    while (all.length < 40) {
      const done = bench.turn([], true);
      expect(done.length).toBeLessThanOrEqual(8);
      all.push(...done);
    }
    expect(users(all)).toEqual(upTo(40));
    expect(all.every((done) => done.result === 8)).toBe(true);
    expect(bench.turn([], false)).toEqual([]);
  });

  it("full turns of inline operations and refusals do not overrun while others complete", () => {
    using bench = new RingBench(mode, { capacity: 4, files: 40 });
    bench.file(39, 64, 0x61, FileKind.Inline);
    const events = upTo(20).map((i) => bench.event(i));
    for (let i = 0; i < 20; i += 4) {
      bench.turn(
        upTo(4).map((k) => ({ op: IoOp.EventRead, file: i + k, user: i + k })),
        false,
      );
    }
    for (const fd of events) addon().signalEvent(fd);
    const all: Done[] = [];
    for (let user = 20; user < 60; user += 4) {
      const batch = upTo(4).map((k) =>
        k === 3 ? { op: 99, user: user + k } : { op: IoOp.Read, file: 39, length: 8, user: user + k },
      );
      all.push(...bench.turn(batch, false));
    }
    while (all.length < 60) all.push(...bench.turn([], true));
    expect(users(all)).toEqual(upTo(60));
  });

  it("a batch may be larger than the kernel's queue", () => {
    using bench = new RingBench(mode, { capacity: 64, queueEntries: 4 });
    bench.file(0, 64 * 16, 0x61);
    const batch = upTo(64).map((i) => ({ op: IoOp.Read, file: 0, at: i * 16, length: 16, position: i * 16, user: i }));
    const done = bench.run(batch);
    expect(users(done)).toEqual(upTo(64));
    expect(done.every((d) => d.result === 16)).toBe(true);
    expect(bench.text(0, 1024)).toBe("a".repeat(1024));
  });

  it("chains stay whole where they cross the end of the kernel's queue", () => {
    using bench = new RingBench(mode, { capacity: 32, queueEntries: 4 });
    bench.file(0, 8, 0x61);
    // Three members each: a short read fails, so both others must be cancelled, in every chain.
    const batch = upTo(30).map((i) => ({
      op: IoOp.Read,
      file: 0,
      length: i % 3 === 0 ? 16 : 8,
      user: i,
      link: i % 3 !== 2,
    }));
    expect(bench.results(batch)).toEqual(upTo(30).map((i) => (i % 3 === 0 ? 8 : -errno.ECANCELED)));
  });

  it("many operations wait at once, more than the queue and its completions hold", () => {
    using bench = new RingBench(mode, { capacity: 64, queueEntries: 8, files: 2 });
    const fd = bench.event(0);
    for (let i = 0; i < 1024; i += 64) {
      bench.turn(
        upTo(64).map((k) => ({ op: IoOp.Timeout, argument: 4_000_000_000, user: i + k })),
        false,
      );
    }
    bench.turn([{ op: IoOp.EventRead, file: 0, user: -1 }], false);
    addon().signalEvent(fd);
    expect(bench.turn([], true)).toEqual([{ user: -1, result: 8 }]);
    const all: Done[] = [];
    for (let i = 0; i < 1024; i += 64) {
      all.push(
        ...bench.turn(
          upTo(64).map((k) => ({ op: IoOp.Cancel, argument: i + k, user: 5000 })),
          false,
        ),
      );
    }
    while (all.length < 2048) all.push(...bench.turn([], true));
    const cancelled = all.filter((done) => done.user !== 5000);
    expect(users(cancelled)).toEqual(upTo(1024));
    expect(cancelled.every((done) => done.result === -errno.ECANCELED)).toBe(true);
    expect(all.filter((done) => done.user === 5000 && done.result !== 0)).toEqual([]);
  });

  it("counters count, and stay readable after close", () => {
    const bench = new RingBench(mode);
    bench.file(0, 64, 0x61, FileKind.Inline);
    bench.run([nop(0), nop(1), { op: IoOp.Read, length: 8, user: 2 }, { op: 99, user: 3 }]);
    const before = bench.ring.counters();
    expect({ ...before, enters: 0, turns: 0 }).toEqual({ enters: 0, turns: 0, submitted: 4, completed: 4, inline: 1 });
    bench[Symbol.dispose]();
    expect(bench.ring.counters()).toEqual(before);
    expect(() => bench.ring.turn(0, false)).toThrow("closed");
    bench.ring.close();
  });

  it("a turn enters the kernel at most once, and not at all where there is nothing to say", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    bench.file(2, ARENA_BYTES, 0x61);
    const enters = (): number => bench.ring.counters().enters;
    const start = enters();
    bench.ring.turn(0, false);
    expect(enters()).toBe(start);
    for (let round = 0; round < 50; round++) {
      const before = enters();
      const batch = upTo(32).map((i) => ({
        op: IoOp.Read,
        file: 2,
        at: i * PAGE,
        length: PAGE,
        position: i * PAGE,
        user: i,
      }));
      const done = bench.turn([...batch, { op: IoOp.Send, file: 0, length: 1, user: 40 }], true);
      expect(enters() - before).toBeLessThanOrEqual(1);
      let got = done.length;
      while (got < 33) {
        const again = enters();
        got += bench.ring.turn(0, true);
        expect(enters() - again).toBeLessThanOrEqual(1);
      }
      bench.run([{ op: IoOp.Receive, file: 1, length: 1 }]);
    }
  });
});
