import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
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

test("a creation says what has failed (E-40)", () => {
  const failing = (step: number): string | undefined => {
    const { bench } = recording();
    const operation = bench.create();
    for (let i = 0; i < step; i++) bench.metadataDone();
    bench.metadataDone(0, errno.EIO);
    return bench.messages.get(operation);
  };
  expect([failing(0), failing(1)]).toEqual(["cannot flush the origin", "cannot format the cow device"]);
});

test("an origin that is only read may have no flush; that excuses nothing else (C-49)", () => {
  const { bench } = recording({ originReadOnly: true });
  const operation = bench.create();
  bench.metadataDone(0, errno.EINVAL);
  expect(bench.metadataJobs.map(({ kind }) => kind)).toEqual(["format"]);
  bench.metadataDone(0, errno.EINVAL);
  expect([bench.finishedWith.get(operation), bench.messages.get(operation)]).toEqual([
    errno.EINVAL,
    "cannot format the cow device",
  ]);
});
