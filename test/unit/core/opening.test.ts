import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import type { CoreOptions } from "../../../src/core/core-options.ts";
import { CoreBench } from "../../support/core/core-bench.ts";
import { FakeSnapshotPorts } from "../../support/core/fake-ports.ts";
import { openImage } from "../../support/store-image.ts";
import { storeImage } from "../../support/store-image.ts";

const OPENING = 1;

/** Snapshot 0 is being opened, of a store with two exceptions. */
function opening(
  options: Partial<CoreOptions> = {},
  spoil: (image: Uint8Array) => void = () => undefined,
): { readonly bench: CoreBench; readonly ports: FakeSnapshotPorts } {
  const bench = new CoreBench(800, options);
  const ports = new FakeSnapshotPorts();
  bench.ports.push(ports);
  const image = storeImage(4096 * 512, 8, [
    [10, 2],
    [50, 3],
  ]);
  spoil(image);
  const { loaded } = openImage(image, { chunkSectors: 8 });
  const config = { index: 0, store: "P" as const, ports, metadataBlockBytes: 512, registered: true };
  bench.core.openSnapshot(OPENING, config, loaded);
  return { bench, ports };
}

const dropped = (image: Uint8Array): void => void image.fill(0, 4, 8);

test("what was read is flushed before the snapshot is listed, and origin and store both (C-49)", () => {
  const { bench, ports } = opening();
  expect(bench.take()).toEqual(["flush device 0"]);
  bench.metadataDone();
  expect(bench.take()).toEqual(["flush device 1"]);
  expect([ports.state, bench.originPorts.list]).toEqual([SnapshotState.Absent, []]);
  bench.metadataDone();
  expect(bench.take()).toEqual(["finished 0"]);
  expect([ports.state, bench.originPorts.list]).toEqual([SnapshotState.Active, [0]]);
});

test.each([
  [0, "cannot flush the origin"],
  [1, "cannot flush the cow device"],
])("a flush that fails at opening is the end of it: device %i", (device, message) => {
  const { bench } = opening();
  if (device === 1) bench.metadataDone();
  bench.metadataDone(0, errno.EIO);
  expect([bench.finishedWith.get(OPENING), bench.messages.get(OPENING)]).toEqual([errno.EIO, message]);
  expect(bench.core.snapshots()).toEqual([]);
});

test("an opening that may write nothing makes nothing durable, and flushes nothing", () => {
  const { bench, ports } = opening({ readOnly: true });
  expect(bench.take()).toEqual(["finished 0"]);
  expect(ports.state).toBe(SnapshotState.Active);
});

/** A broken COW device matters no more to an Invalid snapshot; a broken origin matters to everybody. */
test("an Invalid snapshot is refused, too, where the origin cannot be flushed", () => {
  const { bench } = opening({}, dropped);
  expect(bench.take()).toEqual(["flush device 0"]);
  bench.metadataDone(0, errno.EIO);
  expect([bench.finishedWith.get(OPENING), bench.messages.get(OPENING)]).toEqual([
    errno.EIO,
    "cannot flush the origin",
  ]);
  expect(bench.core.snapshots()).toEqual([]);
});

/** Its header may say Invalid in a cache only; unregistered and valid after a power cut it would be opened as if it had missed nothing. */
test("a broken device of an Invalid snapshot does not keep the origin from being opened; its header is written again before it is forgotten", () => {
  const { bench, ports } = opening({}, dropped);
  bench.metadataDone();
  bench.metadataDone(0, errno.EIO);
  expect([bench.finishedWith.get(OPENING), ports.state]).toEqual([0, SnapshotState.Invalid]);
  bench.clear();
  bench.operation((id) => bench.core.dropSnapshot(id, 0));
  expect(bench.take()).toEqual(["header 0"]);
  bench.metadataDone();
  expect(bench.take()).toEqual(["register 0 removed"]);
});

test.each([
  ["has none", { originReadOnly: true }, errno.EINVAL, 0],
  ["fails", { originReadOnly: true }, errno.EIO, errno.EIO],
  ["has none, and can be written", {}, errno.EINVAL, errno.EINVAL],
])("an origin that is only read may be on a medium without a flush: one that %s", (_, options, error, ended) => {
  const { bench } = opening(options);
  bench.metadataDone(0, error);
  expect(bench.finishedWith.get(OPENING) ?? 0).toBe(ended);
  expect(bench.metadataJobs.length).toBe(ended === 0 ? 1 : 0);
});
