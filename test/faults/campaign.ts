/**
 * Runs with one failing call each, in one process after another: what the test does a few of, and `npm run faults` all.
 *
 * The volume's process serves run after run: what one of them leaves behind (descriptors, threads) would be seen in the next.
 */
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import type { Fault } from "../support/lying-device/fault-plan.ts";
import { FuseFolder } from "../support/lying-device/fuse-folder.ts";
import { TextFile } from "../support/lying-device/text-file.ts";
import { VolumeProcess } from "../support/volume-process.ts";
import { judge } from "./judge.ts";
import { FaultRun, type Outcome, type RunOptions } from "./run.ts";

/** Ends a run in which a request is not answered; a second is what one takes. */
const PATIENCE_MS = 60_000;

export class FaultCampaign {
  readonly #scratch: Scratch;
  readonly #child = new VolumeProcess();
  #leftovers: Outcome["leftovers"] | undefined;

  private constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  static async begin(): Promise<FaultCampaign> {
    return new FaultCampaign(await makeScratch());
  }

  async end(): Promise<void> {
    await this.#child.kill();
    await this.#scratch.remove();
  }

  /** Throws where the outcome is none that is allowed. The first run should be one without a fault. */
  async run(options: RunOptions, fault?: Fault): Promise<Outcome> {
    const folder = await FuseFolder.mount({ makeFile: () => new TextFile() });
    try {
      const run = new FaultRun(folder, this.#scratch.file("socket"), this.#child, options, fault);
      const outcome = await within(PATIENCE_MS, run.run(), described(options, fault));
      this.#leftovers ??= outcome.leftovers;
      const wrong = [...judge(outcome), ...this.#left(outcome)];
      if (wrong.length > 0) throw new Error(`${described(options, fault)}: ${wrong.join("; ")}`);
      return outcome;
    } finally {
      await folder.unmount();
    }
  }

  #left({ leftovers }: Outcome): string[] {
    const { files, threads } = this.#leftovers as Outcome["leftovers"];
    if (leftovers.files <= files && leftovers.threads <= threads) return [];
    return [
      `${leftovers.files} descriptors and ${leftovers.threads} threads are left, ${files} and ${threads} at first`,
    ];
  }
}

export function described(options: RunOptions, fault: Fault | undefined): string {
  if (fault === undefined) return `${JSON.stringify(options)}, no fault`;
  const { kind = "call", device, call, stays, error } = fault;
  const which = device === undefined ? "" : ` of device ${device}`;
  return `${JSON.stringify(options)}, ${kind} ${call}${which} fails with ${error}${stays === true ? " and all behind it" : ""}`;
}

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: something is not answered`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
