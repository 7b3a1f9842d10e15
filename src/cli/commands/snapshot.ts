/**
 * `snapring snapshot`: snapshots of the daemon's volumes, made and dropped while clients read and write.
 */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { formatSize } from "../../base/size-text.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { SnapringError } from "../../base/errno.ts";
import { pathOf } from "../control-client.ts";
import {
  clientOf,
  controlCommand,
  type ControlOptions,
  ended,
  type Operation,
  parseTarget,
  show,
} from "../control-option.ts";
import { collect, notEmpty, optionValue } from "../option-value.ts";
import { parseBytes, policyOf, type PolicyOptions, withPolicy } from "../policy-option.ts";
import { parseChunkSectors } from "../size.ts";
import { type Column, tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface Snapshot {
  readonly volume: string;
  readonly name: string;
  readonly state: string;
  readonly cow: string;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly usedPercent: number;
  readonly group?: string;
  readonly whenFull: string;
  readonly pauseUs?: number;
}

interface CreateOptions extends ControlOptions, PolicyOptions {
  readonly size?: number;
  readonly device?: string;
  readonly pool?: string;
  readonly chunkSize?: number;
  readonly store?: "P" | "PO" | "N";
  readonly readOnly?: boolean;
  readonly group?: string;
  readonly dryRun?: boolean;
}

interface DryRunOptions extends ControlOptions {
  readonly dryRun?: boolean;
}

const DRY_RUN = ["--dry-run", "only say what would happen"] as const;
const NO_WAIT = ["--no-wait", "do not wait until it has ended: snapring operation show ID tells of it"] as const;

const COLUMNS: readonly Column<Snapshot>[] = [
  { title: "SNAPSHOT", value: ({ volume, name }) => `${volume}@${name}` },
  { title: "STATE", value: ({ state }) => state },
  { title: "USED", value: ({ usedPercent }) => `${usedPercent} %`, right: true },
  { title: "OF", value: ({ sizeBytes }) => formatSize(sizeBytes), right: true },
  { title: "WHEN FULL", value: ({ whenFull }) => whenFull },
  { title: "GROUP", value: ({ group }) => group },
  { title: "COW", value: ({ cow }) => cow },
];

const HELP = `
Examples:
  snapring snapshot create data@monday --size 10G --grow 1G,max=50G
  snapring snapshot create db@now logs@now --size 10G      one moment of two volumes: a group
  snapring snapshot drop data@monday`;

export function snapshotCommand(terminal: Terminal): Command {
  return new Command("snapshot")
    .description("snapshots of the daemon's volumes: create, list, show, set, grow, drop")
    .addHelpText("after", HELP)
    .addCommand(create(terminal))
    .addCommand(list(terminal))
    .addCommand(showOne(terminal))
    .addCommand(set(terminal))
    .addCommand(grow(terminal))
    .addCommand(drop(terminal));
}

function create(terminal: Terminal): Command {
  const command = controlCommand("create", "make a snapshot of this moment; several: of one moment, a group")
    .argument("<VOLUME@NAME...>", "the snapshot", collect(notEmpty))
    .option("--size <SIZE>", "make a COW file of this size", optionValue(parseBytes))
    .option("--pool <NAME>", "… in this pool (default: 'default', or the only one)")
    .option("--device <PATH>", "a blank block device, or with --size a file to make, for the COW store")
    .option("--chunk-size <SIZE>", "unit of copy-on-write (16K)", optionValue(parseChunkSectors))
    .addOption(
      new Option("--store <KIND>", "P: persistent (default), PO: with overflow, N: in memory").choices([
        "P",
        "PO",
        "N",
      ]),
    )
    .option("--read-only", "clients may not write it")
    .option("--group <NAME>", "name of the group (default: that of the first snapshot)")
    .option(...DRY_RUN);
  return withPolicy(command).action((targets: string[], options: CreateOptions) =>
    createAll(terminal, targets, options),
  );
}

async function createAll(terminal: Terminal, targets: readonly string[], options: CreateOptions): Promise<void> {
  const client = clientOf(options);
  const members = targets.map(parseTarget);
  const spec = specOf(options);
  if (members.length === 1 && options.group === undefined) {
    const [{ volume, snapshot }] = members;
    const path = pathOf("volumes", volume, "snapshots", snapshot) + queryOf(options);
    const { body } = await client.ask("PUT", path, spec);
    show(terminal, options, body as Snapshot, (made) => (options.dryRun === true ? wouldDo(made) : madeText(made)));
    return;
  }
  if (options.dryRun === true || options.device !== undefined)
    throw new SnapringError("EUSAGE", "--dry-run and --device are for one snapshot");
  const group = { members: members.map((member) => ({ ...member, ...spec })) };
  const { body } = await client.ask("PUT", pathOf("groups", options.group ?? members[0].snapshot), group);
  show(
    terminal,
    options,
    body as { name: string; pauseUs?: number },
    ({ name, pauseUs }) => `group ${name}: ${targets.join(", ")}${pauseText(pauseUs)}\n`,
  );
}

function list(terminal: Terminal): Command {
  return controlCommand("list", "those of a volume, or of all")
    .argument("[VOLUME]", "name of the volume")
    .action(async (volume: string | undefined, options: ControlOptions) => {
      const path = volume === undefined ? pathOf("snapshots") : pathOf("volumes", volume, "snapshots");
      const { body } = await clientOf(options).ask("GET", path);
      show(terminal, options, body as { snapshots: Snapshot[] }, ({ snapshots }) => tableText(COLUMNS, snapshots));
    });
}

function showOne(terminal: Terminal): Command {
  return controlCommand("show", "one of them, with all that is known of it")
    .argument("<VOLUME@NAME>", "the snapshot", notEmpty)
    .action(async (target: string, options: ControlOptions) => {
      const { volume, snapshot } = parseTarget(target);
      const { body } = await clientOf(options).ask("GET", pathOf("volumes", volume, "snapshots", snapshot));
      show(terminal, options, body as object, (one) =>
        Object.entries(one)
          .map(
            ([key, value]) =>
              `${key.padEnd(13)} ${typeof value === "object" ? JSON.stringify(value) : String(value)}\n`,
          )
          .join(""),
      );
    });
}

function set(terminal: Terminal): Command {
  const command = controlCommand("set", "how it grows, and what happens when it is full, from now on")
    .argument("<VOLUME@NAME>", "the snapshot", notEmpty)
    .option("--no-grow", "it grows by itself no more");
  return withPolicy(command).action(async (target: string, options: ControlOptions & PolicyOptions) => {
    const { volume, snapshot } = parseTarget(target);
    const { grow, ...rest } = options;
    // commander's default of --no-grow.
    const policy = policyOf((grow as unknown) === true ? rest : options);
    if (Object.keys(policy).length === 0)
      throw new SnapringError("EUSAGE", "nothing is to be set: --grow, --no-grow, --when-full");
    const { body } = await clientOf(options).ask("PATCH", pathOf("volumes", volume, "snapshots", snapshot), policy);
    show(terminal, options, body as Snapshot, (one) => tableText(COLUMNS, [one]));
  });
}

function grow(terminal: Terminal): Command {
  return controlCommand("grow", "make its COW file larger; without a size: take over the size that its device has now")
    .argument("<VOLUME@NAME>", "the snapshot", notEmpty)
    .argument("[SIZE]", "what it has then", optionValue(parseBytes))
    .option(...DRY_RUN)
    .option(...NO_WAIT)
    .action(async (target: string, size: number | undefined, options: DryRunOptions) => {
      const { volume, snapshot } = parseTarget(target);
      const path = `${pathOf("volumes", volume, "snapshots", snapshot)}/grow${queryOf(options)}`;
      const client = clientOf(options);
      const { status, body } = await client.ask("POST", path, { size });
      if (status === 200) return show(terminal, options, body, wouldDo);
      show(terminal, options, await ended(terminal, client, options, body as Operation), operationText);
    });
}

function drop(terminal: Terminal): Command {
  return controlCommand("drop", "give it up, for good; a file of a pool is removed")
    .argument("<VOLUME@NAME...>", "the snapshots", collect(notEmpty))
    .option(...DRY_RUN)
    .option(...NO_WAIT)
    .action(async (targets: string[], options: DryRunOptions) => {
      const client = clientOf(options);
      // A mistyped one must not be found when half of them are gone.
      for (const { volume, snapshot } of targets.map(parseTarget)) {
        const { status, body } = await client.ask(
          "DELETE",
          pathOf("volumes", volume, "snapshots", snapshot) + queryOf(options),
        );
        if (status === 204) show(terminal, options, undefined, () => `${volume}@${snapshot} is not there\n`);
        else if (status === 200) show(terminal, options, body, wouldDo);
        else show(terminal, options, await ended(terminal, client, options, body as Operation), operationText);
      }
    });
}

function specOf({ size, device, pool, chunkSize, store, readOnly, ...policy }: CreateOptions): object {
  return {
    size,
    pool,
    store,
    readOnly,
    ...(device === undefined ? {} : { device: resolve(device) }),
    ...(chunkSize === undefined ? {} : { chunkSize: chunkSize * SECTOR_BYTES }),
    ...policyOf(policy),
  };
}

function queryOf({ dryRun }: DryRunOptions): string {
  return dryRun === true ? "?dryRun=true" : "";
}

function madeText(made: Snapshot): string {
  return `${made.volume}@${made.name} on ${made.cow}${pauseText(made.pauseUs)}\n`;
}

function pauseText(pauseUs: number | undefined): string {
  return pauseUs === undefined ? ", as it was" : `, writes were held for ${(pauseUs / 1000).toFixed(1)} ms`;
}

function wouldDo(would: unknown): string {
  const { does, path, neededBytes, freedBytes } = would as Record<string, string | number | undefined>;
  const bytes = (label: string, value: string | number | undefined): string =>
    typeof value === "number" ? `, ${label} ${formatSize(value)}` : "";
  return `${does}${path === undefined ? "" : ` (${path})`}${bytes("needs", neededBytes)}${bytes("frees", freedBytes)}\n`;
}

export function operationText({ id, kind, volume, snapshot, state }: Operation): string {
  return `${kind} ${volume}@${snapshot}: ${state}${state === "running" ? ` (${id})` : ""}\n`;
}
