/** An export worker among failures lends memory, records, gates and tracked reads, and gets all of them back. */
import { expect, it } from "vitest";
import { TRACK_BUCKETS } from "../../../src/base/constants.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { ExportLife, LIFE_GATES } from "../../support/export-life.ts";

const STEPS = 250;
const SEEDS = 8;

it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))("life %i ends with nothing held", (seed) => {
  const life = new ExportLife(seed);
  life.live(STEPS);
  const { bench } = life;
  expect(life.unanswered).toBe(0);
  const { pieces, requests, slots } = bench.context;
  expect([pieces.used(), requests.used(), slots.used()]).toEqual([0, 0, 0]);
  expect(LIFE_GATES.filter((gate) => bench.volume.gate(gate).inFlight() !== 0)).toEqual([]);
  for (const { words } of life.snapshots) {
    const { tracking } = words;
    let readers = 0;
    for (let bucket = 0; bucket < TRACK_BUCKETS; bucket++)
      readers += tracking.readers(bucket, 0) + tracking.readers(bucket, 1);
    expect(readers).toBe(0);
  }
  // Whoever comes now finds all of it.
  const client = bench.connect();
  const cookies = [client.request(Command.Trim, 0, 65536), client.read(0, 65536)];
  life.serve();
  expect(Object.keys(client.errors())).toEqual(cookies.map(String));
});
