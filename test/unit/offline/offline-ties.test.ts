/**
 * What an offline merge writes into the register, and which store it takes for which: what the table's cells (register/cells.test.ts) do not
 * show, for there it comes out the same.
 */
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { OfflineMerge } from "../../../src/offline/merge-store.ts";
import { OfflineTies } from "../../../src/offline/offline-ties.ts";
import type { Words } from "../../../src/register/tie.ts";
import { contents, eachTestHasPlace, makeWorld, Opening, scratch, type World } from "../../support/register-world.ts";

eachTestHasPlace();

type Entry = Record<string, unknown>;

interface Text {
  origin: { path: string };
  snapshots: Record<string, Entry>;
}

const NO_WORDS: Words = { moved: false, unregistered: false };
const MOVED: Words = { ...NO_WORDS, moved: true };
const UNREGISTERED: Words = { ...NO_WORDS, unregistered: true };
const NEVER_SEEN = { exceptions: 0, checksum: expect.any(String) as string };

function registerOf(origin: string): Text {
  return JSON.parse(readFileSync(`${origin}.snapshots`, "utf8")) as Text;
}

function edit(origin: string, change: (snapshots: Record<string, Entry>) => void): void {
  const text = registerOf(origin);
  change(text.snapshots);
  writeFileSync(`${origin}.snapshots`, JSON.stringify(text));
}

/** Both devices are open while it runs. */
async function tied<T>(
  { origin, cow }: Pick<World, "origin" | "cow">,
  body: (devices: OfflineMerge["devices"]) => Promise<T>,
): Promise<T> {
  using work = new OfflineMerge({ origin, cow });
  return await body(work.devices);
}

describe("a merge is registered", () => {
  it("as one that is not closed in good order while it is under way, and is when it has ended", async () => {
    const world = await makeWorld(scratch.path, "active", "its store");
    await tied(world, async (devices) => {
      const ties = await OfflineTies.forMerge(devices, NO_WORDS);
      await ties.begin();
      expect(registerOf(world.origin).snapshots["s"]).toMatchObject({ state: "merging", isFinal: false });
      await ties.end();
      expect(registerOf(world.origin).snapshots["s"]).toMatchObject({ state: "active", isFinal: true });
    });
  });

  it("of a store that no register knew: without an id, and as never seen", async () => {
    const world = await makeWorld(scratch.path, "nothing", "another store");
    await tied(world, async (devices) => (await OfflineTies.forMerge(devices, UNREGISTERED)).begin());
    const expected = { state: "merging", store: "", seen: NEVER_SEEN, isFinal: false };
    expect(registerOf(world.origin).snapshots["s.cow"]).toMatchObject(expected);
  });

  it("under an id of its own where the register had none for the store, and stays registered", async () => {
    const world = await makeWorld(scratch.path, "active", "its store");
    edit(world.origin, ({ s }) => Object.assign(s!, { store: "" }));
    await tied(world, async (devices) => {
      const ties = await OfflineTies.forMerge(devices, NO_WORDS);
      await ties.begin();
      await ties.end();
    });
    const { store, state } = registerOf(world.origin).snapshots["s"]!;
    expect([store, state]).toEqual([expect.stringMatching(/./), "active"]);
  });

  it("with the place where the origin is now, in a folder that was moved", async () => {
    const world = await makeWorld(scratch.path, "active", "its store");
    const folder = join(scratch.path, "c");
    renameSync(world.folder, folder);
    const [origin, cow] = [join(folder, "disk.img"), join(folder, "s.cow")];
    expect(registerOf(origin).origin.path).not.toBe(origin);
    await tied({ origin, cow }, async (devices) => (await OfflineTies.forMerge(devices, NO_WORDS)).begin());
    expect(registerOf(origin).origin.path).toBe(origin);
  });
});

it("a merge acts upon a register that is durable (C-49); who only reads waits for no disk", async () => {
  const world = await makeWorld(scratch.path, "active", "its store");
  await using file = await open(world.origin);
  const synced = vi.spyOn(Object.getPrototypeOf(file) as FileHandle, "sync");
  try {
    await tied(world, (devices) => OfflineTies.forRead(devices, NO_WORDS));
    expect(synced).not.toHaveBeenCalled();
    await tied(world, (devices) => OfflineTies.forMerge(devices, NO_WORDS));
    expect(synced).toHaveBeenCalled();
  } finally {
    synced.mockRestore();
  }
});

describe("the user's word that no register has the store", () => {
  it("is enough to merge what stands in the place of a registered one", async () => {
    const world = await makeWorld(scratch.path, "active", "another store");
    await tied(world, async (devices) => (await OfflineTies.forMerge(devices, UNREGISTERED)).begin());
    expect(registerOf(world.origin).snapshots["s"]).toMatchObject({ state: "merging" });
  });

  it("is enough to read another origin's store in the place of one that is Invalid", async () => {
    const world = await makeWorld(scratch.path, "invalid", "its store");
    const other = join(scratch.path, "b");
    copyFileSync(join(scratch.path, "a/s.cow"), join(other, "s.cow"));
    {
      await using volume = await Opening.open({ origin: join(other, "disk.img") }, join(other, "s.cow"));
      await volume.settle();
    }
    rmSync(world.cow);
    renameSync(join(other, "s.cow"), world.cow);
    const before = contents(scratch.path);
    await tied(world, async (devices) => {
      expect(await OfflineTies.forRead(devices, UNREGISTERED)).toBeUndefined();
      await expect(OfflineTies.forRead(devices, NO_WORDS)).rejects.toThrow(
        /is the store of snapshot 's', registered in .*b\//,
      );
    });
    expect(contents(scratch.path)).toEqual(before);
  });
});

describe("what is refused is named", () => {
  it("by its path where no register knows it", async () => {
    const world = await makeWorld(scratch.path, "of another origin", "its store");
    await tied(world, (devices) =>
      expect(OfflineTies.forMerge(devices, NO_WORDS)).rejects.toThrow(`given for snapshot '${world.cow}'`),
    );
  });

  it("by its name where one does", async () => {
    const world = await makeWorld(scratch.path, "active", "another store");
    await tied(world, (devices) =>
      expect(OfflineTies.forMerge(devices, NO_WORDS)).rejects.toMatchObject({
        hint: expect.stringMatching(/nothing was changed for s$/) as string,
      }),
    );
  });
});

describe("a store that was moved", () => {
  /** `s` is gone from its place; `there` is where it was registered, `old` is Invalid and gone. */
  async function three(): Promise<World> {
    const world = await makeWorld(scratch.path, "active", "a copy of it");
    edit(world.origin, (snapshots) => {
      const { s } = snapshots;
      writeFileSync(join(world.folder, "there.cow"), "");
      snapshots["there"] = { ...s, cow: "there.cow", store: "of there", identity: "another's" };
      snapshots["old"] = { ...s, cow: "old.cow", store: "of old", identity: "an old one's", state: "invalid" };
    });
    renameSync(join(world.folder, "s.cow"), join(scratch.path, "away/s.cow"));
    return world;
  }

  it("is the one that is missing, not one that is there or Invalid, where the user says so", async () => {
    const world = await three();
    await tied(world, async (devices) => {
      expect(await OfflineTies.forRead(devices, MOVED)).toBeUndefined();
      await expect(OfflineTies.forRead(devices, NO_WORDS)).rejects.toThrow("is none of the snapshots");
    });
  });

  it("is not taken for the one that is missing where its mark has another's id", async () => {
    const world = await makeWorld(scratch.path, "active", "its store");
    edit(world.origin, (snapshots) => {
      snapshots["gone"] = { ...snapshots["s"], cow: "gone.cow", store: "another id", identity: "another's" };
      delete snapshots["s"];
    });
    await tied(world, (devices) =>
      expect(OfflineTies.forRead(devices, NO_WORDS)).rejects.toThrow(
        `given for snapshot '${world.cow}', was snapshot 's'`,
      ),
    );
  });
});
