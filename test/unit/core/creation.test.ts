import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** A bench, and the metadata jobs of all its snapshots, in order. */
function recording(options: ConstructorParameters<typeof CoreBench>[1] = {}): {
  readonly bench: CoreBench;
  readonly jobs: string[];
} {
  const bench = new CoreBench(800, options);
  const jobs: string[] = [];
  const metadata = bench.metadata.bind(bench);
  bench.metadata = (job) => {
    jobs.push(job.kind === "flush" ? `flush ${job.device}` : job.kind);
    metadata(job);
  };
  return { bench, jobs };
}

test("what was read of a store is flushed on both its devices, and a new one is formatted behind that (S-31, C-49)", () => {
  const { bench, jobs } = recording();
  bench.open({ exceptions: [[1, 2]] });
  bench.open();
  bench.open({ store: "N" });
  expect(jobs).toEqual(["flush 0", "flush 1", "flush 0", "flush 2", "format"]);
});

/** A creation has come so far: its store is formatted, it is registered, its gate is closed with a write in flight, it is listed. */
const STEPS = ["formatting", "registering", "holding", "flushing"] as const;

function creationAt(step: (typeof STEPS)[number], bench: CoreBench = new CoreBench(800)): [CoreBench, number] {
  const at = STEPS.indexOf(step);
  const gate = bench.originPorts.writeGate;
  gate.count = 1;
  const operation = bench.create();
  if (at > 0) bench.metadataDone();
  if (at > 1) bench.core.registered(0, 0);
  if (at > 2) {
    gate.count = 0;
    bench.core.gateDrained(ORIGIN_WRITE_GATE);
  }
  bench.clear();
  return [bench, operation];
}

/** No snapshot is there, and clients write. */
function mustBeNone(bench: CoreBench): void {
  const { list, writeGate } = bench.originPorts;
  expect([bench.core.snapshots(), list, writeGate.closed]).toEqual([[], [], false]);
}

test("a format that fails is undone: the header is blank, nothing was registered, no gate was closed (E-40)", () => {
  const [bench, operation] = creationAt("formatting");
  bench.metadataDone(0, errno.ENOSPC);
  expect(bench.take()).toEqual(["header 0"]);
  const job = bench.metadataDone();
  expect(job.kind === "header" && job.header.length === 512 && job.header.every((byte) => byte === 0)).toBe(true);
  expect([bench.finishedWith.get(operation), bench.messages.get(operation)]).toEqual([
    errno.ENOSPC,
    "cannot format the cow device",
  ]);
  mustBeNone(bench);
});

test("a registration that fails is undone: the header is blank again (E-40)", () => {
  const [bench, operation] = creationAt("registering");
  bench.core.registered(0, errno.EROFS);
  expect(bench.take()).toEqual(["header 0"]);
  // Whether that is written or not: no register names the store.
  bench.metadataDone(0, errno.EIO);
  expect(bench.messages.get(operation)).toBe("cannot register the snapshot");
  mustBeNone(bench);
});

test("what is given up while writes in flight do not end lets clients write at once, and leaves register and store (E-40)", () => {
  const [bench, operation] = creationAt("holding");
  bench.core.tellCreation(operation, (creation) => creation.cancel());
  expect(bench.originPorts.writeGate.closed).toBe(false);
  expect(bench.take()).toEqual(["opened", "register 0 removed"]);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["header 0"]);
  bench.metadataDone();
  expect([bench.finishedWith.get(operation), bench.messages.get(operation)]).toEqual([
    errno.ECANCELED,
    "the creation was given up",
  ]);
  mustBeNone(bench);
});

test.each(["formatting", "registering"] as const)("what is given up while it is %s ends that first", (step) => {
  const [bench, operation] = creationAt(step);
  bench.core.tellCreation(operation, (creation) => creation.cancel());
  expect(bench.take()).toEqual([]);
  if (step === "formatting") bench.metadataDone();
  else {
    bench.core.registered(0, 0);
    expect(bench.take()).toEqual(["register 0 removed"]);
    bench.core.registered(0, 0);
  }
  expect(bench.take()).toEqual(["header 0"]);
  bench.metadataDone();
  expect(bench.finishedWith.get(operation)).toBe(errno.ECANCELED);
  mustBeNone(bench);
});

test("what cannot be taken out of the register keeps its store: the next opening wants to find it (E-46)", () => {
  const [bench, operation] = creationAt("holding");
  bench.core.tellCreation(operation, (creation) => creation.cancel());
  bench.clear();
  bench.core.registered(0, errno.ENOSPC);
  expect(bench.take()).toEqual(["notice 0 register-failed", `finished ${errno.ECANCELED}`]);
  expect(bench.finishedWith.get(operation)).toBe(errno.ECANCELED);
  mustBeNone(bench);
});

test.each([
  ["a flush of the origin that fails", "cannot flush the origin", errno.EIO],
  ["an order that is given up", "the creation was given up", errno.ECANCELED],
] as const)(
  "%s after the release drops the snapshot, which may hold exceptions by then (E-40, S-70)",
  (_, message, error) => {
    const [bench, operation] = creationAt("flushing");
    if (error === errno.EIO) bench.originFlushed(error);
    else bench.core.tellCreation(operation, (creation) => creation.cancel());
    expect(bench.take()).toEqual(["register 0 removed"]);
    bench.core.registered(0, 0);
    bench.metadataDone();
    expect(bench.take()).toContain("header 0");
    expect([bench.finishedWith.get(operation), bench.messages.get(operation)]).toEqual([error, message]);
    mustBeNone(bench);
    // The answer comes too late for anybody.
    if (error !== errno.EIO) bench.originFlushed(errno.EIO);
    expect(bench.take()).toEqual([]);
  },
);

test("an origin that is only read may have no flush; that excuses nothing else", () => {
  const ended = [errno.EINVAL, errno.EIO].map((error) => {
    const [bench, operation] = creationAt("flushing", new CoreBench(800, { originReadOnly: true }));
    bench.originFlushed(error);
    return bench.finishedWith.get(operation);
  });
  expect(ended).toEqual([0, undefined]);
  const [bench, operation] = creationAt("flushing");
  bench.originFlushed(errno.EINVAL);
  expect(bench.finishedWith.get(operation)).toBeUndefined();
});

test("until its creation has ended nobody drops or merges a snapshot (E-40)", () => {
  const [bench, operation] = creationAt("flushing");
  const refused = [
    bench.operation((id) => bench.core.dropSnapshot(id, 0)),
    bench.operation((id) => bench.core.mergeStart(id, 0)),
  ];
  expect(refused.map((one) => bench.finishedWith.get(one))).toEqual([errno.ENOENT, errno.ENOENT]);
  bench.originFlushed();
  expect(bench.finishedWith.get(operation)).toBe(0);
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  expect(bench.take()).toContain("register 0 removed");
});

test("a merge that has begun while the store was made is found when the gate is held (C-31)", () => {
  const bench = new CoreBench(800);
  bench.open({ exceptions: [[1, 2]] });
  const operation = bench.create(8, 4096, false);
  bench.operation((id) => bench.core.mergeStart(id, 0));
  expect(bench.originPorts.merging).toBe(0);
  bench.metadataDone(1);
  bench.metadataDone(1);
  expect(bench.finishedWith.get(operation)).toBe(errno.EBUSY);
  expect(bench.originPorts.list).toEqual([]);
});

test("several snapshots of one volume share one hold, and one that fails takes the others along (E-50)", () => {
  const both = (): [CoreBench, number] => {
    const bench = new CoreBench(800);
    return [bench, bench.createAll(2, false)];
  };
  const [bench, operation] = both();
  expect(bench.take()).toEqual(["format 0", "format 1"]);
  bench.metadataDone(1);
  bench.core.registered(1, 0);
  expect(bench.take()).toEqual(["register 1 active"]);
  bench.metadataDone(0);
  bench.core.registered(0, 0);
  expect(bench.take()).toEqual(["register 0 active", "prepared", "closing", "held", "opened", "flush origin"]);
  expect(bench.originPorts.list).toEqual([0, 1]);
  bench.originFlushed();
  expect(bench.finishedWith.get(operation)).toBe(0);

  const [failing, order] = both();
  failing.metadataDone(0);
  failing.core.registered(0, 0);
  failing.metadataDone(1, errno.EIO);
  failing.clear();
  failing.metadataDone(1);
  failing.core.registered(0, 0);
  failing.metadataDone(0);
  expect([failing.finishedWith.get(order), failing.failed.get(order)]).toEqual([errno.EIO, 1]);
  mustBeNone(failing);
});

test("a creation of a group waits at its halts, and nothing is held, or written to, before it is told to go on (E-50)", () => {
  const bench = new CoreBench(800);
  const operation = bench.createAll(1, true);
  bench.metadataDone();
  bench.core.registered(0, 0);
  expect([bench.take().at(-1), bench.originPorts.writeGate.closed]).toEqual(["prepared", false]);
  bench.core.tellCreation(operation, (creation) => creation.goOn());
  expect([bench.take(), bench.originPorts.writeGate.closed]).toEqual([["closing", "held"], true]);
  expect([bench.originPorts.list, bench.ports[0]!.state]).toEqual([[], SnapshotState.Absent]);
  bench.core.tellCreation(operation, (creation) => creation.goOn());
  expect([bench.take(), bench.originPorts.list]).toEqual([["opened", "flush origin"], [0]]);
  bench.originFlushed();
  expect([bench.take(), bench.finishedWith.has(operation)]).toEqual([["durable"], false]);
  bench.core.tellCreation(operation, (creation) => creation.goOn());
  expect(bench.finishedWith.get(operation)).toBe(0);
  // Whoever is told too late does nothing.
  bench.core.tellCreation(operation, (creation) => creation.goOn());
  bench.core.tellCreation(operation, (creation) => creation.cancel());
  expect(bench.core.snapshots()).toEqual([0]);
});
