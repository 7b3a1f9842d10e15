/**
 * A COW device that has become smaller: while it is open, and when it is opened (E-45, S-38, S-42). What lay behind its new end is gone, whoever cut it off; what
 * is left to do is to say so before anybody is served from there, and to leave the rest as it is.
 */
import { copyFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { OracleImages, requireOracle } from "../support/dm-oracle.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { sha256 } from "../support/core/volume.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const CHUNK = 4096;
/** Chunks that the origin's writes fill; header and area lie before them. */
const KEPT = 40;
const USED: number = (2 + KEPT) * CHUNK;

/** `KEPT` chunks of snapshot "s" lie on its COW device, and nothing behind them. */
async function used(): Promise<LibraryVolume> {
  const snapshots = [{ name: "s", chunkSize: CHUNK, size: MIB }];
  const volume = await LibraryVolume.create({ snapshots, reserves: false });
  const client = await volume.connect();
  await client.write(0, dataPattern(KEPT * CHUNK, 5));
  await client.flush();
  return volume;
}

test("open, and cut off below what is used: that is said, nothing changes, and it is as it was when the device is whole again (E-45)", async () => {
  const volume = await used();
  const { library } = volume;
  const [cow, whole] = [volume.cowPath("s"), volume.scratch.file("whole")];
  copyFileSync(cow, whole);
  const before = library.status("s").status;
  for (const bytes of [USED - 512, USED - CHUNK, CHUNK, 0]) {
    truncateSync(cow, bytes);
    await expect(library.growSnapshot("s")).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringMatching(/s\.cow is smaller than what snapshot s uses of it/),
    });
    expect([library.status("s").state, library.status("s").status]).toEqual(["active", before]);
  }
  copyFileSync(whole, cow);
  await library.growSnapshot("s");
  expect(firstDifference(await readAll(await volume.connect("s")), volume.before)).toBe(-1);
});

test("cut off exactly behind what is used it goes on, full: also for the kernel, and when it is opened (S-40, S-42)", async (context) => {
  requireOracle(context);
  const volume = await used();
  const cow = volume.cowPath("s");
  truncateSync(cow, USED);
  await volume.library.growSnapshot("s");
  expect(volume.library.status("s")).toMatchObject({ state: "active", status: `${USED / 512}/${USED / 512} 16` });
  expect(firstDifference(await readAll(await volume.connect("s")), volume.before)).toBe(-1);
  await volume.close();
  await volume.open();
  expect(firstDifference(await readAll(await volume.connect("s")), volume.before)).toBe(-1);
  await volume.close();
  using images = new OracleImages();
  const view = await images.read(
    images.put("o.img", readFileSync(volume.originPath)),
    images.put("c.img", readFileSync(cow)),
  );
  expect(view).toMatchObject({ ok: true, view_sha256: sha256(volume.before) });
  await volume.open();
  await (await volume.connect()).write(MIB, dataPattern(CHUNK, 6));
  expect(volume.library.status("s").state).toBe("invalid");
});

test("cut off below what is used it is not opened, which says what is missing, and nothing is written (S-38)", async () => {
  const volume = await used();
  const [cow, whole] = [volume.cowPath("s"), volume.scratch.file("whole")];
  await volume.close();
  copyFileSync(cow, whole);
  for (const bytes of [USED - 512, USED - CHUNK, 2 * CHUNK, CHUNK, 512, 0]) {
    truncateSync(cow, bytes);
    const left = readFileSync(cow);
    await expect(volume.open(), `${bytes} bytes`).rejects.toMatchObject({ message: expect.stringContaining(cow) });
    expect([statSync(cow).size, readFileSync(cow).equals(left)]).toEqual([bytes, true]);
    copyFileSync(whole, cow);
  }
  await volume.open();
  expect(firstDifference(await readAll(await volume.connect("s")), volume.before)).toBe(-1);
});
