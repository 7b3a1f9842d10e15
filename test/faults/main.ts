/**
 * `npm run faults`: the same life again and again, and each time another call of a device fails: every call in turn, once with EIO;
 * then, from every `--stride`-th call of each kind and device on, all of them, by turns with EIO and ENOSPC (`npm run faults -- --help`).
 */
import { count, driver, refuseNothing } from "../support/driver.ts";
import type { CallKind, Fault } from "../support/lying-device/fault-plan.ts";
import { FaultCampaign } from "./campaign.ts";
import type { RunOptions } from "./run.ts";

const EIO = 5;
const ENOSPC = 28;
const KINDS: readonly CallKind[] = ["read", "write", "flush"];
const DEVICES = [0, 1, 2];

const PROGRESS_RUNS = 20;

const OPTIONS: readonly RunOptions[] = [
  { early: true, io: "auto", fills: true },
  { early: false, io: "sync", fills: false },
];

const values = driver("faults", "The same life again and again, and each time another call of a device fails")
  .option("--stride <N>", "of the lasting failures, every N-th", count(1), 3)
  .option("--once", "no lasting failures")
  .parse()
  .opts<{ stride: number; once?: boolean }>();
const { stride } = values;
const began = Date.now();
let runs = 0;
const tally = new Map<string, number>();

const campaign = await FaultCampaign.begin();
try {
  for (const options of OPTIONS) {
    const { calls } = await campaign.run(options);
    console.log(`faults: ${JSON.stringify(options)}: ${calls} calls`);
    for (let call = 1; call <= calls; call++) await one(options, { call, error: EIO });
    console.log(`faults: ${runs} runs; ${summary()}`);
    if (!values.once) await lasting(options);
  }
} finally {
  await campaign.end();
}
refuseNothing("faults", runs);
console.log(`faults: ${runs} runs, ${Math.round((Date.now() - began) / 1000)} s, 0 failures; ${summary()}`);

async function lasting(options: RunOptions): Promise<void> {
  for (const device of DEVICES) {
    for (const kind of KINDS) {
      const all = await campaign.run(options, { kind, device, call: Number.MAX_SAFE_INTEGER, error: EIO });
      for (let call = 1; call <= all.calls; call += stride) {
        await one(options, { kind, device, call, stays: true, error: call % 2 === 0 ? ENOSPC : EIO });
      }
      console.log(`faults: ${runs} runs; all from one of ${all.calls} calls (${kind}, device ${device}) on`);
    }
  }
}

async function one(options: RunOptions, fault: Fault): Promise<void> {
  const { steps, notices } = await campaign.run(options, fault);
  runs += 1;
  if (runs % PROGRESS_RUNS === 0) console.log(`faults: ${runs} runs; ${summary()}`);
  const failed = steps.filter(({ error }) => error !== "");
  if (failed.length === 0) add("all answered with success");
  if (failed.some(({ what }) => what === "open")) add("opening refused");
  if (failed.some(({ what }) => what === "create")) add("creation refused");
  if (failed.some(({ side }) => side === "")) add("an origin request failed");
  for (const event of new Set(notices.filter(({ reason }) => reason !== "").map((notice) => notice.event))) add(event);
}

function add(what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1);
}

function summary(): string {
  return [...tally].map(([what, times]) => `${what}: ${times}`).join(", ");
}
