/** A header that claims chunks of 256 MiB, in a sparse file: what memory it costs to open it is not the header's to say. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { encodeHeader } from "../../src/format/disk-header.ts";
import { MetadataArea } from "../../src/format/metadata-area.ts";
import { makeScratch } from "../support/free-socket.ts";
import { runOk } from "../support/run-command.ts";

const PROGRAM = join(import.meta.dirname, "../support/large-chunk-memory.mjs");
const MIB = 2 ** 20;
const CHUNK: number = 256 * MIB;

function sparse(path: string, bytes: number, content: readonly (readonly [at: number, bytes: Uint8Array])[]): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  for (const [at, part] of content) writeSync(fd, part, 0, part.length, at);
  closeSync(fd);
}

it("a store with chunks of 256 MiB is looked at, dumped, read and served in less memory than one of them", async () => {
  const scratch = await makeScratch();
  try {
    const [origin, cow] = [scratch.file("origin.img"), scratch.file("snap.cow")];
    const listed = new MetadataArea(new Uint8Array(16));
    listed.set(0, 0, 2);
    sparse(origin, 64 * MIB, []);
    sparse(cow, 4 * CHUNK, [
      [0, encodeHeader(true, CHUNK / 512)],
      [CHUNK, listed.bytes],
    ]);
    const said = JSON.parse(await runOk(process.execPath, PROGRAM, origin, cow)) as Record<string, unknown>;
    expect(said).toMatchObject({ exceptions: 1, runs: 1, viewBytes: 64 * MIB, status: expect.any(String) as string });
    // How soon node collects pieces that are not used any more differs from version to version.
    expect(said["offline"]).toBeLessThan((3 * CHUNK) / 4);
    expect(said["live"]).toBeLessThan(CHUNK);
  } finally {
    await scratch.remove();
  }
});
