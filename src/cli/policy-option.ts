/**
 * How a snapshot grows, and what happens when it is full, as options: `--grow 1G,at=80,max=20G`, `--when-full stall,30`.
 */
import type { Command } from "commander";
import { STALL_SECONDS_MAX } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { optionValue, wholeNumber } from "./option-value.ts";
import { parseSectors } from "./size.ts";

export interface Growth {
  readonly by: number;
  readonly at?: number;
  readonly max?: number;
}

export interface WhenFull {
  readonly whenFull: "invalidate" | "overflow" | "stall";
  readonly stallSeconds?: number;
}

export interface PolicyOptions {
  /** False: --no-grow. */
  readonly grow?: Growth | false;
  readonly whenFull?: WhenFull;
}

/** Bytes, whole sectors. Throws a SnapringError (EUSAGE). */
export function parseBytes(text: string): number {
  return parseSectors(text) * SECTOR_BYTES;
}

export function withPolicy(command: Command): Command {
  return command
    .option(
      "--grow <BY[,at=PCT][,max=SIZE]>",
      "the COW file grows by itself by BY when PCT percent (80) are used, up to SIZE",
      optionValue(parseGrowth),
    )
    .option(
      "--when-full <WHAT[,SECONDS]>",
      "invalidate: the snapshot is lost; overflow: its own writes fail; stall: writes that need room wait, at most SECONDS",
      optionValue(parseWhenFull),
    );
}

/** As the daemon takes it; `grow: null`: it grows no more. */
export function policyOf({ grow, whenFull }: PolicyOptions): object {
  return { ...(grow === undefined ? {} : { grow: grow === false ? null : grow }), ...whenFull };
}

/** Throws a SnapringError (EUSAGE). */
export function parseGrowth(text: string): Growth {
  const [by, ...settings] = text.split(",");
  let growth: Growth = { by: parseBytes(by) };
  for (const setting of settings) {
    const [name, value = ""] = setting.split("=");
    if (name === "at") growth = { ...growth, at: wholeNumber(1, 99)(value) };
    else if (name === "max") growth = { ...growth, max: parseBytes(value) };
    else
      throw new SnapringError("EUSAGE", `'${setting}' is no setting of a growth`, {
        hint: "write BY, at=PCT, max=SIZE",
      });
  }
  return growth;
}

/** Throws a SnapringError (EUSAGE). */
export function parseWhenFull(text: string): WhenFull {
  const [what, seconds, ...more] = text.split(",");
  if (more.length === 0 && (what === "invalidate" || what === "overflow" || what === "stall")) {
    if (seconds === undefined) return { whenFull: what };
    if (what === "stall") return { whenFull: what, stallSeconds: wholeNumber(1, STALL_SECONDS_MAX)(seconds) };
  }
  throw new SnapringError("EUSAGE", `'${text}' is nothing to do when it is full`, {
    hint: "write invalidate, overflow, stall or stall,SECONDS",
  });
}
