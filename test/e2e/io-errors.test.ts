/**
 * A call of a device fails, each time another one, in a life that touches everything (E-8, E-9, E-15, S-37, S-50, S-66, S-70, C-30):
 * the outcome is one that the rules name, everybody is answered, the process lives on and keeps nothing, and what is opened again
 * holds what was promised.
 *
 *   test/faults:  run (fixed steps, one fault) ─▶ judge (by kind and device)
 *
 * Here are some of the calls; `npm run faults` goes through all of them.
 */
import { afterEach, expect, test } from "vitest";
import { FaultCampaign } from "../faults/campaign.ts";
import { judge } from "../faults/judge.ts";
import type { Fault } from "../support/lying-device/fault-plan.ts";
import { requireFuse } from "../support/lying-device/fuse-folder.ts";

const EIO = 5;
const ENOSPC = 28;
const STRIDE = 11;
const EARLY = { early: true, io: "auto", fills: true } as const;
const PLAIN = { early: false, io: "sync", fills: false } as const;

let campaign: FaultCampaign | undefined;

afterEach(async () => {
  await campaign?.end();
  campaign = undefined;
});

test("one call fails with EIO, every eleventh in turn", { timeout: 300_000 }, async (context) => {
  requireFuse(context);
  campaign = await FaultCampaign.begin();
  const { calls } = await campaign.run(EARLY);
  expect(calls).toBeGreaterThan(80);
  let failed = 0;
  for (let call = 2; call <= calls; call += STRIDE) {
    const outcome = await campaign.run(call % 2 === 0 ? EARLY : PLAIN, { call, error: EIO });
    if (outcome.failed !== undefined) failed += 1;
  }
  // Threads decide who comes first, and whether the last calls are made at all.
  expect(failed).toBeGreaterThan(6);
});

/** The call is one behind the opening. */
const LASTING: readonly (readonly [string, Fault, string])[] = [
  ["the origin cannot be read", { kind: "read", device: 0, call: 1, error: EIO }, "invalid"],
  ["the origin cannot be written", { kind: "write", device: 0, call: 2, error: EIO }, "merge-failed"],
  ["the origin cannot be flushed", { kind: "flush", device: 0, call: 3, error: EIO }, "merge-failed"],
  ["a store is full below", { kind: "write", device: 1, call: 5, error: ENOSPC }, "header-write-failed"],
  ["a store cannot be flushed", { kind: "flush", device: 1, call: 5, error: EIO }, "invalid"],
  ["a dropped store cannot be written", { kind: "write", device: 2, call: 14, error: EIO }, ""],
];

test.for(LASTING)(
  "from one call on all of a kind fail: %s",
  { timeout: 120_000 },
  async ([, fault, event], context) => {
    requireFuse(context);
    campaign = await FaultCampaign.begin();
    let outcome = await campaign.run(EARLY, { ...fault, stays: true });
    // How exceptions fall into groups decides how many writes there are: the last one may be a call earlier.
    for (let call = fault.call - 1; outcome.failed === undefined && call > 0; call--) {
      outcome = await campaign.run(EARLY, { ...fault, call, stays: true });
    }
    const { failed, notices } = outcome;
    expect(failed).toMatchObject({ kind: fault.kind, device: fault.device });
    if (event !== "") expect(notices.map((notice) => notice.event)).toContain(event);
  },
);

test("the judge can fail: the same outcome with another cause, a snapshot that was not said to be invalid, a wrong byte", async (context) => {
  requireFuse(context);
  campaign = await FaultCampaign.begin();
  const outcome = await campaign.run(EARLY, { kind: "write", device: 1, call: 4, error: EIO });
  expect(judge(outcome)).toEqual([]);
  expect(judge({ ...outcome, failed: undefined })).not.toEqual([]);
  expect(judge({ ...outcome, failed: { kind: "write", device: 2 } })).not.toEqual([]);
  expect(judge({ ...outcome, notices: [] })).not.toEqual([]);
  const origin = outcome.reopened.origin.slice();
  origin[0] ^= 1;
  expect(judge({ ...outcome, reopened: { ...outcome.reopened, origin } })).not.toEqual([]);
});
