/** A snapshot's way to the metadata worker: one job at a time, whose end its owner hears, and whose bytes are counted. */
import { expect, test } from "vitest";
import { SnapshotCounters } from "../../../src/core/counters.ts";
import { type JobOwner, MetadataChannel } from "../../../src/core/metadata-channel.ts";
import type { Effects, MetadataJob } from "../../../src/core/ports.ts";

const HEADER = new Uint8Array(512);

const JOBS: readonly (readonly [MetadataJob, number])[] = [
  [{ kind: "format", snapshot: 3, header: HEADER, chunkBytes: 4096 }, 512 + 2 * 4096],
  [{ kind: "header", snapshot: 3, header: HEADER }, 512],
  [
    { kind: "commit", snapshot: 3, zeroArea: 1, zeroPosition: 0, zeroBytes: 8192, position: 0, bytes: HEADER },
    512 + 8192,
  ],
  [{ kind: "flush", snapshot: 3, device: 0 }, 0],
];

test.each(JOBS)(
  "a job is handed on, counts what it writes, and its owner hears how it ended (S-56): %o",
  (job, bytes) => {
    const counters = new SnapshotCounters();
    const [jobs, ends]: [MetadataJob[], unknown[]] = [[], []];
    const channel = new MetadataChannel("s", counters, {
      metadata: (one: MetadataJob) => jobs.push(one),
    } as unknown as Effects);
    const owner: JobOwner<string> = { metadataDone: (...end) => ends.push(end) };
    channel.start(owner, job);
    expect([jobs, counters.metadataBytes, channel.isBusy]).toEqual([[job], bytes, true]);
    expect(() => channel.start(owner, job)).toThrow("one metadata job at a time");
    channel.ended(5, undefined);
    expect([ends, channel.isBusy]).toEqual([[["s", 5, undefined]], false]);
    expect(() => channel.ended(0, undefined)).toThrow("a metadata job is under way");
  },
);
