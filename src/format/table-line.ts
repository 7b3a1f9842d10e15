/**
 * The device-mapper table form of a snapshot: parse and print (S-10…S-14, S-20, S-73).
 *
 *   <origin> <cow> <P|PO|N> <chunk_size> [<#features> <feature>…]
 *
 * The order of the checks is that of the kernel: store type, chunk size, store option, features. Whether the chunk size
 * suits the devices is `chunk-size.ts`; that the origin is not the COW device (S-21) takes the devices themselves.
 */
import { SnapringError } from "../base/errno.ts";
import type { Sector } from "../base/units.ts";
import { parseChunkSize } from "./chunk-size.ts";

/** P: persistent; PO: persistent, and a full store answers writes with Overflow; N: transient. */
export const STORE_KINDS = ["P", "PO", "N"] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

export interface TableLine {
  readonly origin: string;
  readonly cow: string;
  readonly store: StoreKind;
  /** 0: not supplied (S-16). */
  readonly chunkSectors: Sector;
  readonly discardZeroesCow: boolean;
  readonly discardPassdownOrigin: boolean;
}

const FEATURES_MAX = 2;

/** Throws EINVAL with the row's message. */
export function parseTableLine(line: string): TableLine {
  const words = line.split(/\s/).filter((word) => word !== "");
  const [origin, cow, type, chunkText] = words;
  if (origin === undefined || cow === undefined || type === undefined || chunkText === undefined) {
    throw invalid("requires 4 or more arguments");
  }
  const { store, chunkSectors } = parseStore(type, chunkText);
  return { origin, cow, store, chunkSectors, ...parseFeatures(words.slice(4)) };
}

/** The store's kind and chunk size, checked in the kernel's order (S-12). */
export function parseStore(
  type: string,
  chunkText: string,
): { readonly store: StoreKind; readonly chunkSectors: Sector } {
  const letter = type.slice(0, 1).toUpperCase();
  if (letter !== "P" && letter !== "N") throw invalid("Exception store type is not P or N");
  const chunkSectors = parseChunkSize(chunkText);
  if (letter === "N") {
    if (chunkSectors === 0) throw invalid("Chunk size not set");
    return { store: "N", chunkSectors };
  }
  const option = type.slice(1);
  if (option === "") return { store: "P", chunkSectors };
  if (option.slice(0, 1).toUpperCase() === "O") return { store: "PO", chunkSectors };
  throw invalid(`Unsupported persistent store option: ${option}`);
}

/** The line that the kernel would print for this snapshot (S-73). */
export function formatTableLine(line: TableLine): string {
  const words = [line.origin, line.cow, line.store, String(line.chunkSectors)];
  const features = [];
  if (line.discardZeroesCow) features.push("discard_zeroes_cow");
  if (line.discardPassdownOrigin) features.push("discard_passdown_origin");
  if (features.length > 0) words.push(String(features.length), ...features);
  return words.join(" ");
}

function parseFeatures(words: readonly string[]): Pick<TableLine, "discardZeroesCow" | "discardPassdownOrigin"> {
  let discardZeroesCow = false;
  let discardPassdownOrigin = false;
  if (words.length > 0) {
    const count = /^\d+$/.test(words[0]!) ? Number(words[0]) : Number.NaN;
    if (!(count <= FEATURES_MAX) || count !== words.length - 1) throw invalid("Invalid number of feature arguments");
    for (const word of words.slice(1)) {
      const feature = word.toLowerCase();
      if (feature === "discard_zeroes_cow") discardZeroesCow = true;
      else if (feature === "discard_passdown_origin") discardPassdownOrigin = true;
      else throw invalid("Unrecognised feature requested");
    }
  }
  if (discardPassdownOrigin && !discardZeroesCow) {
    throw invalid("discard_passdown_origin feature depends on discard_zeroes_cow");
  }
  return { discardZeroesCow, discardPassdownOrigin };
}

function invalid(message: string): SnapringError {
  return new SnapringError("EINVAL", message);
}
