/**
 * What may have to wait, on both native rings: sockets, eventfds, timeouts, and how it is cancelled.
 */
import { describe, expect, it } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { FileKind } from "../../src/device/port.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import { PAGE, RingBench, addon, modes, nop } from "./ring-bench.ts";

const MSG_WAITALL = 0x100;
// More than a socket's buffers hold.
const LARGE = 512 * 1024;
const HALF = 512 * 1024;
const SMALL = 500;

describe.each(modes())("sockets (%s)", (mode) => {
  it("a receive waits for bytes and completes with what has come", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    expect(bench.turn([{ op: IoOp.Receive, file: 0, at: PAGE, length: 100, user: 1 }], false)).toEqual([]);
    bench.write(0, "hello");
    expect(bench.run([{ op: IoOp.Send, file: 1, at: 0, length: 5, user: 2 }], 2)).toEqual([
      { user: 1, result: 5 },
      { user: 2, result: 5 },
    ]);
    expect(bench.text(PAGE, 5)).toBe("hello");
  });

  it("a receive that waits for all is not content with a part", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    const receive = { op: IoOp.Receive, file: 0, at: PAGE, length: 6, user: 1, argument: MSG_WAITALL };
    expect(bench.turn([receive], false)).toEqual([]);
    bench.write(0, "abcdef");
    expect(bench.run([{ op: IoOp.Send, file: 1, at: 0, length: 3, user: 2 }])).toEqual([{ user: 2, result: 3 }]);
    expect(bench.turn([], false)).toEqual([]);
    const done = bench.run([{ op: IoOp.Send, file: 1, at: 3, length: 3, user: 3 }], 2);
    expect(done[0]).toEqual({ user: 1, result: 6 });
    expect(bench.text(PAGE, 6)).toBe("abcdef");
  });

  it("a send that the socket cannot take at once still goes out whole", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    for (let i = 0; i < LARGE; i++) bench.arena[i] = i % 251;
    expect(bench.turn([{ op: IoOp.Send, file: 0, at: 0, length: LARGE, user: 1 }], false)).toEqual([]);
    let received = 0;
    let sent: number | undefined;
    while (received < LARGE) {
      const receive = { op: IoOp.Receive, file: 1, at: HALF + received, length: LARGE - received, user: 2 };
      for (const done of bench.run([receive], 1)) {
        if (done.user === 1) sent = done.result;
        else received += done.result;
      }
      while (sent === undefined && received === LARGE) sent = bench.run([], 1)[0].result;
    }
    expect(sent).toBe(LARGE);
    expect(Buffer.compare(bench.arena.slice(0, LARGE), bench.arena.slice(HALF))).toBe(0);
  });

  it("a send goes out whole to a reader that takes it in a thousand small parts", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    for (let i = 0; i < LARGE; i++) bench.arena[i] = i % 251;
    expect(bench.turn([{ op: IoOp.Send, file: 0, at: 0, length: LARGE, user: 1 }], false)).toEqual([]);
    let received = 0;
    let sent: number | undefined;
    while (received < LARGE || sent === undefined) {
      const length = Math.min(SMALL, LARGE - received);
      const receive = { op: IoOp.Receive, file: 1, at: HALF + received, length, user: 2 };
      for (const done of bench.run(length === 0 ? [] : [receive], 1)) {
        if (done.user === 1) sent = done.result;
        else received += done.result;
        if (done.result <= 0 || (sent !== undefined && sent < LARGE)) throw new Error(`${JSON.stringify(done)}`);
      }
    }
    expect(sent).toBe(LARGE);
    expect(Buffer.compare(bench.arena.slice(0, LARGE), bench.arena.slice(HALF))).toBe(0);
  });

  it("a send that came back short and is cancelled then is not sent on", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    expect(bench.turn([{ op: IoOp.Send, file: 0, at: 0, length: LARGE, user: 1 }], false)).toEqual([]);
    for (let received = 0; received < LARGE / 2; ) {
      const receive = { op: IoOp.Receive, file: 1, at: HALF, length: SMALL, user: 2 };
      for (const done of bench.run([receive], 1)) received += done.result;
    }
    const done = bench.run([{ op: IoOp.Cancel, argument: 1, user: 3 }], 2);
    const send = done.find(({ user }) => user === 1);
    expect(send?.result).toBeLessThan(LARGE);
  });

  it("a vector goes out whole, in order, though the socket takes it in parts", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    const entries = Array.from({ length: 100 }, (_, i) => [PAGE + i * 3 * 1024, 3 * 1024] as const);
    entries.forEach(([at], i) => {
      bench.arena.fill(i + 1, at, at + 3 * 1024);
    });
    const count = bench.vector(0, entries);
    const total = 300 * 1024;
    expect(bench.turn([{ op: IoOp.SendVector, file: 0, at: 0, length: count, user: 1 }], false)).toEqual([]);
    const receive = { op: IoOp.Receive, file: 1, at: HALF, length: total, user: 2, argument: MSG_WAITALL };
    expect(bench.run([receive], 2)).toEqual([
      { user: 1, result: total },
      { user: 2, result: total },
    ]);
    for (let i = 0; i < 100; i++) {
      expect([bench.arena[HALF + i * 3072], bench.arena[HALF + i * 3072 + 3071]]).toEqual([i + 1, i + 1]);
    }
  });

  it("received bytes are scattered over a vector", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    bench.write(PAGE, "abcdef");
    bench.vector(0, [
      [2 * PAGE, 2],
      [3 * PAGE, 10],
    ]);
    const done = bench.run([
      { op: IoOp.Send, file: 1, at: PAGE, length: 6, user: 1, link: true },
      { op: IoOp.ReceiveVector, file: 0, at: 0, length: 2, user: 2 },
    ]);
    expect(done.map((d) => d.result)).toEqual([6, 6]);
    expect(bench.text(2 * PAGE, 2) + bench.text(3 * PAGE, 4)).toBe("abcdef");
  });

  it("a peer that has closed is a receive of 0 and a send of EPIPE, without a signal", () => {
    using bench = new RingBench(mode);
    const [, other] = bench.sockets(0);
    bench.ring.setFile(1, -1, FileKind.Socket);
    addon().shutdownSocket(other);
    const receive = { op: IoOp.Receive, file: 0, length: 10, user: 1 };
    const send = { op: IoOp.Send, file: 0, length: 10, user: 2 };
    expect(bench.results([receive, send])).toEqual([0, -errno.EPIPE]);
  });

  it("a send of nothing tells whether somebody is there", () => {
    using bench = new RingBench(mode);
    const [, other] = bench.sockets(0);
    const nothing = { op: IoOp.Send, file: 0, length: 0, user: 1 };
    expect(bench.results([nothing])).toEqual([0]);
    bench.ring.setFile(1, -1, FileKind.Socket);
    addon().shutdownSocket(other);
    expect(bench.results([nothing])).toEqual([-errno.EPIPE]);
  });

  it("a waiting receive ends when the socket is shut down", () => {
    using bench = new RingBench(mode);
    const [own] = bench.sockets(0);
    bench.turn([{ op: IoOp.Receive, file: 0, length: 10, user: 1 }], false);
    addon().shutdownSocket(own);
    expect(bench.run([], 1)).toEqual([{ user: 1, result: 0 }]);
  });

  it("a file's bytes are sent by one linked pair", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    bench.file(2, PAGE, 0x71, FileKind.Async);
    bench.file(3, PAGE, 0x72, FileKind.Inline);
    for (const [file, letter] of [
      [2, "q"],
      [3, "r"],
    ] as const) {
      const done = bench.run([
        { op: IoOp.Read, file, at: 0, length: PAGE, user: 1, link: true },
        { op: IoOp.Send, file: 0, at: 0, length: PAGE, user: 2 },
        { op: IoOp.Receive, file: 1, at: PAGE, length: PAGE, user: 3, argument: MSG_WAITALL },
      ]);
      expect(done.map((d) => d.result)).toEqual([PAGE, PAGE, PAGE]);
      expect(bench.text(2 * PAGE - 1, 1)).toBe(letter);
    }
  });

  it("a short read does not send", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    bench.file(2, 10, 0x71, FileKind.Inline);
    const done = bench.run([
      { op: IoOp.Read, file: 2, at: 0, length: PAGE, user: 1, link: true },
      { op: IoOp.Send, file: 0, at: 0, length: PAGE, user: 2 },
    ]);
    expect(done.map((d) => d.result)).toEqual([10, -errno.ECANCELED]);
  });

  it("a socket that is not blocking waits all the same", async () => {
    using bench = new RingBench(mode);
    const net = await import("node:net");
    const server = net.createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const accepted = new Promise<import("node:net").Socket>((resolve) => server.once("connection", resolve));
    const client = net.connect((server.address() as import("node:net").AddressInfo).port, "127.0.0.1");
    const socket = await accepted;
    const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
    bench.ring.setFile(0, fd, FileKind.Socket);
    expect(bench.turn([{ op: IoOp.Receive, file: 0, at: 0, length: 5, user: 1 }], false)).toEqual([]);
    await new Promise<void>((resolve) => client.write("hello", () => resolve()));
    expect(bench.run([], 1)).toEqual([{ user: 1, result: 5 }]);
    expect(bench.text(0, 5)).toBe("hello");
    bench.ring.setFile(0, -1, FileKind.Socket);
    client.destroy();
    socket.destroy();
    server.close();
  });
});

describe.each(modes())("events, timeouts, cancel (%s)", (mode) => {
  it("an event completes the read of it, once, with the count of its signals", () => {
    using bench = new RingBench(mode);
    const fd = bench.event(0);
    const read = { op: IoOp.EventRead, file: 0, at: 64, user: 1 };
    expect(bench.turn([read], false)).toEqual([]);
    expect(bench.turn([], false)).toEqual([]);
    addon().signalEvent(fd);
    expect(bench.turn([], true)).toEqual([{ user: 1, result: 8 }]);
    addon().signalEvent(fd);
    addon().signalEvent(fd);
    expect(bench.run([read])).toEqual([{ user: 1, result: 8 }]);
    expect(bench.words[16]).toBe(2);
  });

  it("one event at two indices: a signal ends one read, and the other waits on without blocking the turn", () => {
    using bench = new RingBench(mode);
    const fd = bench.event(0);
    bench.ring.setFile(1, fd, FileKind.Event);
    const reads = [0, 1].map((file) => ({ op: IoOp.EventRead, file, at: 8 * file, user: file }));
    expect(bench.turn(reads, false)).toEqual([]);
    addon().signalEvent(fd);
    const [first] = bench.run([], 1);
    expect(bench.turn([], false)).toEqual([]);
    addon().signalEvent(fd);
    expect(bench.run([], 1)).toEqual([{ user: 1 - first.user, result: 8 }]);
  });

  it("an event that was made not to block is waited for", async () => {
    using bench = new RingBench(mode);
    const fd = bench.event(0);
    const watch = addon().watchEvent(fd, () => {});
    if (typeof watch === "number") throw new Error("watch");
    watch.close();
    await new Promise((resolve) => setImmediate(resolve));
    bench.ring.setFile(0, fd, FileKind.Event);
    expect(bench.turn([{ op: IoOp.EventRead, file: 0 }], false)).toEqual([]);
  });

  it("a timeout completes with ETIME, and a longer one goes on", () => {
    using bench = new RingBench(mode);
    const long = { op: IoOp.Timeout, argument: 4_000_000_000, user: 1 };
    const short = { op: IoOp.Timeout, argument: 1_000, user: 2 };
    expect(bench.turn([long, short], true)).toEqual([{ user: 2, result: -errno.ETIME }]);
    expect(bench.turn([], false)).toEqual([]);
  });

  it("cancel ends what waits, and what was linked behind it", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    const waiting = [
      { op: IoOp.Receive, file: 0, length: 10, user: 1, link: true },
      { op: IoOp.Send, file: 0, length: 10, user: 2 },
      { op: IoOp.Timeout, argument: 4_000_000_000, user: 3 },
    ];
    expect(bench.turn(waiting, false)).toEqual([]);
    const cancels = [
      { op: IoOp.Cancel, argument: 1, user: 4 },
      { op: IoOp.Cancel, argument: 3, user: 5 },
    ];
    expect(bench.run(cancels, 5)).toEqual([
      { user: 1, result: -errno.ECANCELED },
      { user: 2, result: -errno.ECANCELED },
      { user: 3, result: -errno.ECANCELED },
      { user: 4, result: 0 },
      { user: 5, result: 0 },
    ]);
  });

  it("cancel of what is not under way is ENOENT", () => {
    using bench = new RingBench(mode);
    expect(bench.results([{ op: IoOp.Cancel, argument: 99, user: 99 }])).toEqual([-errno.ENOENT]);
  });

  it("an event read can be cancelled", () => {
    using bench = new RingBench(mode);
    bench.event(0);
    bench.turn([{ op: IoOp.EventRead, file: 0, user: -7 }], false);
    expect(bench.run([{ op: IoOp.Cancel, argument: -7, user: 1 }], 2)).toEqual([
      { user: -7, result: -errno.ECANCELED },
      { user: 1, result: 0 },
    ]);
  });

  it("a file that was cleared while an operation waits on it stays open for that operation", () => {
    using bench = new RingBench(mode);
    const [own] = bench.sockets(0);
    bench.turn([{ op: IoOp.Receive, file: 0, at: 0, length: 10, user: 1 }], false);
    bench.ring.setFile(0, -1, FileKind.Socket);
    // Whatever gets the number next must not be read instead.
    bench.close(own);
    const taker = bench.event(2);
    expect(taker).toBe(own);
    addon().signalEvent(taker);
    bench.write(PAGE, "late");
    const done = bench.run([{ op: IoOp.Send, file: 1, at: PAGE, length: 4, user: 2 }], 2);
    expect(done[0]).toEqual({ user: 1, result: 4 });
    expect(bench.text(0, 4)).toBe("late");
  });

  it("a chain goes on over what has to wait", () => {
    using bench = new RingBench(mode);
    bench.sockets(0);
    const chain = [{ op: IoOp.Receive, file: 0, at: 0, length: 2, user: 1, link: true }, nop(2, true), nop(3)];
    expect(bench.turn(chain, false)).toEqual([]);
    const done = bench.run([{ op: IoOp.Send, file: 1, at: PAGE, length: 2, user: 4 }], 4);
    expect(done.map((d) => d.result)).toEqual([2, 0, 0, 2]);
  });
});
