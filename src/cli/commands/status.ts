/**
 * `snapring status`: what a store at rest holds, as device-mapper would say it and in words. It never writes.
 */
import { Command } from "commander";
import { SECTOR_BYTES } from "../../base/units.ts";
import { type StoreStatus, storeStatus } from "../../offline/store-status.ts";
import { notEmpty, optionValue } from "../option-value.ts";
import { formatSize } from "../../base/size-text.ts";
import { parseChunkSectors } from "../size.ts";
import type { Terminal } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";

interface StatusOptions {
  readonly origin?: string;
  readonly chunkSize?: number;
  readonly json?: boolean;
}

const HELP = `
"status" is ALLOCATED/TOTAL METADATA in sectors, or one word, as dmsetup prints it. With --origin, exceptions beyond the
origin's end are found as well. A blank COW file is an error.

Examples:
  snapring status snap.cow
  snapring status snap.cow --origin disk.img --json`;

export function statusCommand(terminal: Terminal): Command {
  return new Command("status")
    .description("show what a store holds")
    .argument("<COW>", "file or block device with the store", notEmpty)
    .option("--origin <ORIGIN>", "the volume that the snapshot is of")
    .option("--chunk-size <SIZE>", "for a COW file smaller than 16K: its chunk size", optionValue(parseChunkSectors))
    .option("--json", "print the result, and errors, as JSON")
    .addHelpText("after", HELP)
    .action((cow: string, options: StatusOptions) => {
      const status = storeStatus({ cow, origin: options.origin, chunkSectors: options.chunkSize });
      printWarnings(terminal, "snapring status", status.warnings);
      terminal.out(options.json === true ? toJson(status) : toText(cow, status));
    });
}

function toJson(status: StoreStatus): string {
  const result = {
    status: status.status,
    state: status.state,
    table: status.table,
    chunk_size: status.chunkSectors,
    version: status.version,
    exceptions: status.exceptions,
    areas: status.areas,
    allocated_sectors: status.allocatedSectors,
    total_sectors: status.totalSectors,
    metadata_sectors: status.metadataSectors,
  };
  return `${JSON.stringify(result)}\n`;
}

function toText(cow: string, status: StoreStatus): string {
  const size = (sectors: number): string => formatSize(sectors * SECTOR_BYTES);
  const rows = [
    ["store", cow],
    ["state", status.state],
    ["status", status.status],
    ["table", status.table],
    ["chunk size", `${size(status.chunkSectors)} (${status.chunkSectors} sectors)`],
  ];
  if (status.allocatedSectors !== null && status.metadataSectors !== null) {
    rows.push(["exceptions", `${status.exceptions} in ${status.areas} ${status.areas === 1 ? "area" : "areas"}`]);
    rows.push(["allocated", `${size(status.allocatedSectors)} of ${size(status.totalSectors)}`]);
    rows.push(["metadata", size(status.metadataSectors)]);
  }
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join("");
}
