/**
 * Orders to a live volume that meet each other, or a register that knows better than a header.
 */
import { readFile, symlink, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const MONDAY = { name: "monday", size: 16 * MIB } as const;

describe("orders", () => {
  test("statistics can be asked for at any moment of a creation and a drop", async () => {
    // A snapshot that was being introduced, or forgotten, was asked of a core that did not know it: an assertion.
    const volume = await LibraryVolume.create();
    const { library } = volume;
    const names = new Set<string>();
    const watch = async (order: Promise<unknown>): Promise<void> => {
      let over = false;
      const end = order.finally(() => {
        over = true;
      });
      while (!over) {
        names.add(
          library
            .stats()
            .snapshots.map((snapshot) => snapshot.name)
            .join(),
        );
        expect(library.exports.length).toBeLessThanOrEqual(2);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await end;
    };
    await watch(library.createSnapshot({ ...MONDAY, cow: volume.cowPath("monday") }));
    await watch(library.dropSnapshot("monday"));
    expect([...names].sort()).toEqual(["", "monday"]);
    expect(library.exports.map((entry) => entry.name)).toEqual(["origin"]);
  });

  test("of two creations with one name the second is refused, and takes nothing", async () => {
    const volume = await LibraryVolume.create();
    const { library } = volume;
    const create = (cow: string): Promise<unknown> => library.createSnapshot({ ...MONDAY, cow: volume.cowPath(cow) });
    const both = await Promise.allSettled([create("a"), create("b")]);
    expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(library.exports.map((entry) => entry.name)).toEqual(["origin", "monday"]);
    // The refused one's COW device is free.
    const other = both[0].status === "rejected" ? "a" : "b";
    await library.createSnapshot({ ...MONDAY, name: "tuesday", cow: volume.cowPath(other) });
    expect(library.status("tuesday").state).toBe("active");
  });

  test("a merge that is stopped while it starts has not begun, and does not run on", async () => {
    // It was not found as long as it waited for its gates: ENOENT, and the merge ran on.
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const { library } = volume;
    await (await volume.connect()).write(0, dataPattern(65536, 7));
    for (let i = 0; i < 3; i++) {
      const start = library.startMerge("monday").catch((error: Error) => error);
      await library.stopMerge();
      expect(await start).toMatchObject({ code: "ECANCELED", message: expect.stringContaining("was stopped") });
      expect([library.status("monday").state, await volume.registered()]).toEqual(["active", { monday: "active" }]);
    }
    await library.dropSnapshot("monday");
  });

  test("of two creations on one COW device the second is refused, and the first keeps it", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const { library } = volume;
    const create = (name: string, cow: string): Promise<unknown> =>
      library.createSnapshot({ ...MONDAY, name, cow: volume.cowPath(cow) });
    const both = await Promise.allSettled([create("b", "shared"), create("c", "shared")]);
    expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(create("d", "shared")).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("COW device cannot be the same as another snapshot's"),
    });
    await expect(create("e", "monday")).rejects.toMatchObject({ code: "EINVAL" });
    const name = both[0].status === "fulfilled" ? "b" : "c";
    await (await volume.connect("origin")).write(0, dataPattern(65536, 7));
    for (const one of [name, "monday"]) {
      const view = await (await volume.connect(one)).read(0, 65536);
      expect(view.equals(volume.before.subarray(0, 65536))).toBe(true);
    }
  });

  test("a name is free again after its drop, also for who is still connected to the old one", async () => {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const { library } = volume;
    const old = await volume.connect("monday");
    await old.write(0, dataPattern(65536, 5));
    const events: unknown[] = [];
    library.on("snapshot", (...event) => events.push(event));
    await library.dropSnapshot("monday");
    // What was asked for is no failure.
    expect(events).toEqual([["monday", "dropped", "", { event: "dropped" }]]);
    await library.createSnapshot({ ...MONDAY, cow: volume.cowPath("again") });
    const next = await volume.connect("monday");
    await expect(old.read(0, 512)).rejects.toThrow();
    await expect(old.write(0, dataPattern(65536, 6))).rejects.toThrow();
    await expect(old.write(MIB, dataPattern(65536, 6))).rejects.toThrow();
    expect((await next.read(0, 65536)).equals(volume.before.subarray(0, 65536))).toBe(true);
  });
});

describe("the register", () => {
  /** A volume whose register says that monday is Invalid, while the header says that it is valid. */
  async function withoutHeader(): Promise<LibraryVolume> {
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    await (await volume.connect("monday")).write(0, dataPattern(65536, 5));
    await volume.close();
    const path = `${volume.originPath}.snapshots`;
    await writeFile(path, (await readFile(path, "utf8")).replace('"active"', '"invalid"'));
    expect(await volume.validOnDisk("monday")).toBe(1);
    return volume;
  }

  test("S-70: an Invalid snapshot whose header could not be written does not come back to life", async () => {
    // The register was overwritten with what the header said: a snapshot without old data was served as good.
    const volume = await withoutHeader();
    await volume.open();
    expect(volume.library.status("monday").state).toBe("invalid");
    expect(await volume.validOnDisk("monday")).toBe(0);
    expect(await volume.registered()).toEqual({ monday: "invalid" });
    await expect((await volume.connect("monday")).read(0, 512)).rejects.toThrow();
  });

  test("S-70: nor does it for readers, who can write no header", async () => {
    const volume = await withoutHeader();
    await volume.open({ readOnly: true });
    expect(volume.library.status("monday").state).toBe("invalid");
    expect(await volume.validOnDisk("monday")).toBe(1);
  });

  test.for(["active", "invalid"] as const)("a COW device is known by another name of it: %s (E-46)", async (state) => {
    // As a block device is, whose name of this boot is not the one by which it was registered.
    const volume = await withoutHeader();
    const path = `${volume.originPath}.snapshots`;
    const other = volume.cowPath("other-name");
    await symlink(volume.cowPath("monday"), other);
    const text = (await readFile(path, "utf8")).replace('"invalid"', `"${state}"`);
    await writeFile(path, text.replace(volume.cowPath("monday"), other));
    const without = volume.open({ snapshots: [] });
    if (state === "active") await expect(without).rejects.toMatchObject({ code: "EBUSY" });
    else await without.then(() => volume.close());
    await volume.open({ snapshots: [MONDAY] });
    expect(volume.library.status("monday").state).toBe(state);
    expect(await volume.registered()).toEqual({ monday: state });
  });

  test("a store that is made anew on the device of an Invalid snapshot is a new one", async () => {
    const volume = await withoutHeader();
    await writeFile(volume.cowPath("monday"), Buffer.alloc(16 * MIB));
    await volume.open();
    expect(volume.library.status("monday").state).toBe("active");
    expect(await volume.registered()).toEqual({ monday: "active" });
  });
});
