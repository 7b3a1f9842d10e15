/**
 * Whether anything stands on a device that a store is to be made on: nothing that somebody may miss is formatted.
 *
 * Blank is what is zero throughout its first and last MiB: there every file system, partition table, volume manager and RAID has something
 * that is not. What it is is asked of libblkid's program, for the words only; where that is missing, the first byte is named.
 */
import { spawnSync } from "node:child_process";
import { decodeHeader, HEADER_BYTES, SNAP_MAGIC } from "../format/disk-header.ts";
import type { DeviceFile } from "../device/device-file.ts";

/** How far a device must be blank, from both ends: disk images often begin with empty sectors. */
const BLANK_BYTES: number = 1024 * 1024;

/** Undefined: it is blank. Otherwise what stands there: `holds an ext4 file system`. */
export function contentOf(device: DeviceFile, atLeastBytes = 0): string | undefined {
  const headBytes = Math.min(device.sizeBytes, Math.max(BLANK_BYTES, atLeastBytes));
  const tailBytes = Math.min(device.sizeBytes, BLANK_BYTES);
  const used = device.firstNonZero(0, headBytes) ?? device.firstNonZero(device.sizeBytes - tailBytes, tailBytes);
  if (used === undefined) return undefined;
  return storeOn(device) ?? signatureOf(device) ?? `is not blank (byte ${used} is not zero)`;
}

/** Undefined: there is no store on it. */
export function storeOn(device: DeviceFile): string | undefined {
  const header = new Uint8Array(HEADER_BYTES);
  if (device.sizeBytes < header.length) return undefined;
  device.read(0, header);
  return decodeHeader(header).magic === SNAP_MAGIC ? "holds a snapshot already" : undefined;
}

/** What libblkid knows it as, in words; undefined where it knows nothing, or is not there. */
export function signatureOf(device: DeviceFile): string | undefined {
  const probe = spawnSync("blkid", ["-p", "-o", "export", "/dev/fd/3"], {
    stdio: ["ignore", "pipe", "ignore", device.fd],
    encoding: "utf8",
  });
  const field = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, "m").exec(probe.stdout ?? "")?.[1];
  const table = field("PTTYPE");
  const type = field("TYPE");
  if (type === "swap") return "holds swap space";
  if (type !== undefined) return `holds ${field("USAGE") === "filesystem" ? `a file system (${type})` : type}`;
  return table === undefined ? undefined : `holds a partition table (${table})`;
}
