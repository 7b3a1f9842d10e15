/**
 * The corpus of images that the kernel made (test/kernel/corpus), as its manifest describes them, and its operation lists.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { dataPattern } from "../data-pattern.ts";

export type Fill = readonly [offset: number, length: number, seed: number];

export interface CorpusAnswer {
  readonly table_chunk: number;
  readonly load_errno: 0 | string;
  readonly status?: string;
  readonly view_sha256?: string;
  readonly view_errno?: string;
}

export interface CorpusCow {
  readonly index: number;
  readonly size: number;
  readonly chunk: number;
  readonly persistent: "P" | "PO";
  readonly fills: readonly Fill[];
  readonly file: string;
  readonly sha256: string;
  readonly final_size: number;
  readonly created?: {
    readonly status: string;
    readonly table: string;
    readonly view_sha256?: string;
    readonly view_errno?: string;
  };
  readonly activated: CorpusAnswer;
}

export interface CorpusStep {
  readonly do: "patch" | "truncate" | "merge";
  readonly before_origin?: string;
  readonly before_cow0?: string;
  readonly after_chunks?: number;
  readonly fail_sector?: number;
  readonly freeze?: number;
  readonly result?: {
    readonly initial_status: string;
    readonly status?: string;
    readonly origin_sha256: string;
    readonly cow_sha256: string;
  };
}

export interface CorpusCase {
  readonly name: string;
  readonly about: string;
  readonly features: readonly string[];
  readonly ops_file: string;
  readonly origin: {
    readonly size: number;
    readonly fills: readonly Fill[];
    readonly sha256: string;
    readonly file: string | null;
    readonly final_fills: readonly Fill[] | null;
  };
  readonly cows: readonly CorpusCow[];
  readonly steps: readonly CorpusStep[];
  readonly power_cut_after_writes?: number;
  readonly results?: readonly {
    readonly line?: string;
    readonly name?: string;
    readonly text?: string;
    readonly errno?: string | number;
    readonly sha256?: string;
  }[];
}

const CORPUS = join(import.meta.dirname, "../../kernel/corpus");

export function corpusCases(): readonly CorpusCase[] {
  return (JSON.parse(readFileSync(join(CORPUS, "manifest.json"), "utf8")) as { cases: CorpusCase[] }).cases;
}

export function corpusImage(file: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(join(CORPUS, file))));
}

export function filledImage(size: number, fills: readonly Fill[]): Uint8Array {
  const image = new Uint8Array(size);
  for (const [offset, length, seed] of fills) image.set(dataPattern(length, seed), offset);
  return image;
}

export function finalOrigin({ origin }: CorpusCase): Uint8Array {
  return origin.file === null ? filledImage(origin.size, origin.final_fills!) : corpusImage(origin.file);
}

/** The text behind the target's name in a status line. */
export function statusText(line: string | undefined): string | undefined {
  return line?.replace(/^\d+ \d+ [\w-]+ /, "");
}

export interface Op {
  readonly verb: string;
  readonly snapshot: number;
  readonly args: readonly number[];
}

export function operations(entry: CorpusCase): readonly Op[] {
  return parseOps(readFileSync(join(CORPUS, entry.ops_file), "utf8"));
}

export function parseOps(text: string): readonly Op[] {
  const ops: Op[] = [];
  for (const line of text.split("\n")) {
    const [word, ...args] = line.split("#")[0]!.trim().split(/\s+/);
    if (word === undefined || word === "") continue;
    const [verb, snapshot] = word.split(":");
    ops.push({ verb: verb!, snapshot: Number(snapshot ?? 0), args: args.map(Number) });
  }
  return ops;
}
