/**
 * What the real kernel sees in the files of a life, while no daemon has them: a snapshot as its judge knows it. The guest works on copies.
 */
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { type OracleRead, OracleImages, type Pair } from "../support/dm-oracle.ts";
import { SnapshotView } from "../../src/offline/snapshot-view.ts";

export interface Looked {
  readonly exportName: string;
  readonly origin: string;
  readonly cow: string;
}

/** A user-mode kernel on a busy machine sometimes dies by itself before it has read anything. */
const GUESTS = 3;

/** SHA-256 of a snapshot's whole view, decoded from the files. Throws where there is none. */
export function decodedHash({ origin, cow }: Looked): string {
  using view = new SnapshotView({ origin, cow });
  const hash = createHash("sha256");
  for (const { bytes } of view.pieces()) hash.update(bytes);
  return hash.digest("hex");
}

/** Throws where it sees something else than what is decoded. */
export async function askKernel(all: readonly Looked[]): Promise<void> {
  if (all.length === 0) return;
  using images = new OracleImages();
  const pairs = all.map(({ origin, cow }, i): Pair => {
    const copy = images.put(`origin${i}`, readFileSync(origin));
    const copied = images.put(`cow${i}`, new Uint8Array(0));
    copyFileSync(cow, copied);
    return [copy, copied];
  });
  let reads: readonly OracleRead[] = [];
  for (let i = 0; i < GUESTS && !(reads.length > 0 && reads.every(({ guest }) => guest === "ok")); i++)
    reads = await images.readAll(pairs);
  for (const [i, looked] of all.entries())
    if (reads[i]?.view_sha256 !== decodedHash(looked))
      throw new Error(`${looked.exportName}: the kernel sees something else: ${JSON.stringify(reads[i])}`);
}
