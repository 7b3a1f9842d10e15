/** Each cell of the table of stores and registers (tie.ts), by what is asked, what the register says, and what is there. */
import { describe, expect, it } from "vitest";
import { commandHint, SnapringError } from "../../../src/base/errno.ts";
import { StoreDigest } from "../../../src/register/store-digest.ts";
import type { RegisteredSnapshot } from "../../../src/register/register-text.ts";
import { type FoundStore, type Known, tieMissing, tieStore } from "../../../src/register/tie.ts";

const SILENT = { moved: false, unregistered: false };
const MOVED = { ...SILENT, moved: true };

const ITS_FILE = "file 11 1000";
const OTHER_FILE = "file 12 2000";
const ENTRY: RegisteredSnapshot = {
  cow: "/v/s.cow",
  isBeside: true,
  identity: ITS_FILE,
  state: "active",
  store: "one",
  chunkBytes: 4096,
  seen: { exceptions: 3, checksum: "0123456789abcdef", steps: [] },
  isFinal: true,
};
const FOUND: FoundStore = {
  path: "/v/s.cow",
  identity: ITS_FILE,
  mark: undefined,
  state: "active",
  content: undefined,
  chunkBytes: 4096,
  exceptions: 3,
  copiedStore: undefined,
  beginsAsSeen: true,
  agreesWithSeen: true,
  registeredIsThere: false,
  isAtItsPlace: true,
  anotherSnapshot: undefined,
  anotherInvalid: undefined,
  claim: "none",
};
const ELSEWHERE = { path: "/w/s.cow", isAtItsPlace: false };
const BLANK = { state: "new", exceptions: 0, beginsAsSeen: false } as const;

function known(entry: Partial<RegisteredSnapshot> = {}, standing: Known["standing"] = "home"): Known {
  return { name: "s", entry: { ...ENTRY, ...entry }, standing };
}

function tie(who: Known | undefined, found: Partial<FoundStore> = {}, words = SILENT): string {
  try {
    return tieStore("s", who, { ...FOUND, ...found }, words);
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    return `${error.code}: ${error.message} (${commandHint(error)})`;
  }
}

describe("a store that no register knows", () => {
  it("is opened as what it is", () => {
    expect(tie(undefined)).toBe("active");
    expect(tie(undefined, { state: "invalid" })).toBe("invalid");
  });

  it("is made where the device is blank, and only there", () => {
    expect(tie(undefined, BLANK)).toBe("new");
    expect(tie(undefined, { ...BLANK, content: "holds swap space" })).toMatch(/^EEXIST: .*holds swap space/);
  });

  it("is refused where its mark leads to another origin that has it", () => {
    const mark = { role: "cow", self: ITS_FILE, register: "/x/o.snapshots", id: "x", name: "t" } as const;
    const others = { mark, claim: "stands" } as const;
    for (const found of [others, { ...others, ...BLANK }])
      expect(tie(undefined, found)).toMatch(/^EBUSY: .*'t'.*o\.snapsh/);
  });
});

describe.each(["active", "merging"] as const)("a registered snapshot that is %s", (state) => {
  it("is opened as such on its store", () => {
    expect(tie(known({ state }))).toBe(state);
  });

  it("is Invalid where somebody else has dropped its store", () => {
    expect(tie(known({ state }), { state: "invalid", exceptions: 0, beginsAsSeen: false })).toBe("invalid");
  });

  it("is refused on a blank device, whatever is said", () => {
    for (const words of [SILENT, MOVED])
      expect(tie(known({ state }), BLANK, words)).toMatch(/^EBUSY: .*has no store in it/);
  });

  it("is opened on its file under another path: a rename", () => {
    expect(tie(known({ state }), { ...ELSEWHERE, registeredIsThere: false })).toBe(state);
  });

  it("is refused on a copy of its store while that is still there, but for a word", () => {
    const copy = { ...ELSEWHERE, identity: OTHER_FILE, registeredIsThere: true };
    expect(tie(known({ state }), copy)).toMatch(/^EBUSY: .*copy.*--moved/);
    expect(tie(known({ state }), copy, MOVED)).toBe(state);
  });

  it("is opened on another file by itself where it is exactly what the volume was closed with", () => {
    for (const place of [ELSEWHERE, {}]) {
      const moved = { ...place, identity: OTHER_FILE, registeredIsThere: false };
      expect(tie(known({ state }), moved)).toBe(state);
      for (const not of [
        { isFinal: false },
        { seen: undefined },
        { seen: { exceptions: 0, checksum: "0123456789abcdef", steps: [] } },
      ])
        expect(tie(known({ state, ...not }), moved)).toMatch(/^EBUSY: .*another file.*--moved/);
      expect(tie(known({ state }), { ...moved, exceptions: 4 })).toMatch(/^EBUSY/);
    }
  });

  it("is opened where the file system tells no files apart, if it fits", () => {
    for (const identity of ["", "file 12 0"]) expect(tie(known({ state, identity }))).toBe(state);
  });

  it("is missing in words, and never made", () => {
    for (const size of [true, false]) {
      const make = (): void => tieMissing("s", "/v/s.cow", known({ state }), size, false);
      expect(make).toThrow(expect.objectContaining({ code: "ENOENT", message: expect.stringContaining("is missing") }));
      expect(make).toThrow(expect.objectContaining({ hint: expect.stringContaining('abandon: ["s"]') }));
    }
  });

  it("needs chunks of the size that it had, whatever is said", () => {
    for (const words of [SILENT, MOVED])
      expect(tie(known({ state }), { chunkBytes: 8192 }, words)).toMatch(/^EINVAL: .*chunks of 8 KiB/);
  });
});

describe("what was last seen of an active store", () => {
  it("is what it must begin with, whatever is said", () => {
    for (const words of [SILENT, MOVED]) {
      expect(tie(known(), { exceptions: 30 }, words)).toBe("active");
      expect(tie(known(), { exceptions: 2, beginsAsSeen: false }, words)).toMatch(
        /^EINVAL: .*2 exceptions where it had 3/,
      );
      expect(tie(known(), { exceptions: 30, beginsAsSeen: false }, words)).toMatch(/^EINVAL: .*other exceptions/);
    }
  });

  it("is nothing where the register is of version 1, nor while it merges", () => {
    const fewer = { exceptions: 1, beginsAsSeen: false };
    expect(tie(known({ seen: undefined, identity: "", chunkBytes: 0 }), fewer)).toBe("active");
    expect(tie(known({ state: "merging" }), fewer)).toBe("merging");
  });
});

describe("a registered snapshot that is Invalid", () => {
  const invalid = known({ state: "invalid" });

  it("stays so on its store, whose header may not have been written (S-70)", () => {
    expect(tie(invalid)).toBe("invalid");
    expect(tie(invalid, { state: "invalid" })).toBe("invalid");
    expect(tie(known({ state: "invalid", seen: undefined }), { exceptions: 0 })).toBe("invalid");
  });

  it("is forgotten for another store: one with another id, on another file, or begun anew", () => {
    const mark = (store: string) => ({ mark: { role: "cow", self: ITS_FILE, register: "", id: "", store } as const });
    expect(tie(invalid, { ...mark("one"), exceptions: 0 })).toBe("invalid");
    expect(tie(invalid, { ...mark("two"), exceptions: 9 })).toBe("active");
    expect(tie(invalid, { identity: OTHER_FILE })).toBe("active");
    expect(tie(invalid, { exceptions: 0 })).toBe("active");
  });

  it("gives its name and its place away", () => {
    expect(tie(invalid, BLANK)).toBe("new");
    expect(tie(invalid, { ...BLANK, content: "holds swap space" })).toMatch(/^EEXIST/);
    tieMissing("s", "/v/s.cow", invalid, true, false);
  });
});

describe("whatever is said", () => {
  const mark = (store: string) => ({
    mark: { role: "cow", self: ITS_FILE, register: "/v/o.snapshots", id: "x", store } as const,
  });

  it("the store of one snapshot is not another's", () => {
    for (const who of [undefined, known(), known({ state: "merging" }), known({ state: "invalid" })])
      expect(tie(who, { anotherSnapshot: "t" }, MOVED)).toMatch(/^EBUSY: .*store of snapshot 't' of the same origin/);
  });

  it("nor is that of one which is Invalid: it was called a copy, and would have been the end of this one", () => {
    const exchanged = { ...ELSEWHERE, identity: OTHER_FILE, state: "invalid", anotherInvalid: "t" } as const;
    for (const words of [SILENT, MOVED])
      for (const state of ["active", "merging"] as const)
        expect(tie(known({ state }), exchanged, words)).toMatch(
          /^EBUSY: .*store of snapshot 't' of the same origin, which is Invalid \(were the two exchanged\? .*--snapshot t=\/w\/s\.cow/,
        );
  });

  it("a store that was made anew is not the one that was registered", () => {
    for (const state of ["active", "merging"] as const) {
      expect(tie(known({ state }), mark("one"), MOVED)).toBe(state);
      expect(tie(known({ state }), mark("two"), MOVED)).toMatch(/^EINVAL: .*made anew/);
    }
  });

  it("a store whose merge is under way has a beginning of the list that was seen", () => {
    const merging = known({ state: "merging" });
    expect(tie(merging, { exceptions: 1, beginsAsSeen: false }, MOVED)).toBe("merging");
    expect(tie(merging, { exceptions: 1, beginsAsSeen: false, agreesWithSeen: false }, MOVED)).toMatch(
      /^EINVAL: .*other exceptions/,
    );
  });
});

describe("a mark that leads to a register which does not know the store any more", () => {
  const mark = { role: "cow", self: ITS_FILE, register: "/v/o.snapshots", id: "x", name: "t" } as const;
  const forgotten = { mark, claim: "forgotten" } as const;

  it("is told, for the origin may have been written without it", () => {
    expect(tie(undefined, forgotten)).toMatch(/^EBUSY: .*was snapshot 't' in the register.*--unregistered/);
    expect(tie(undefined, forgotten, { ...SILENT, unregistered: true })).toBe("active");
  });

  it("does not matter where the register that we have knows it, or nothing is left of it", () => {
    expect(tie(known(), forgotten)).toBe("active");
    expect(tie(undefined, { ...forgotten, ...BLANK })).toBe("new");
    expect(tie(undefined, { ...forgotten, state: "invalid" })).toBe("invalid");
  });
});

describe("where the file system tells no files apart", () => {
  it("the place decides: a store elsewhere must be exactly the one that was closed, and nothing be where it was", () => {
    const unknown = known({ identity: "" });
    expect(tie(unknown)).toBe("active");
    expect(tie(unknown, ELSEWHERE)).toBe("active");
    expect(tie(unknown, { ...ELSEWHERE, registeredIsThere: true })).toMatch(/^EBUSY: .*--moved/);
    expect(tie(known({ identity: "", seen: undefined }), ELSEWHERE)).toMatch(/^EBUSY: .*--moved/);
  });
});

describe("an empty store on another file", () => {
  it("is known by its id, where it has kept it, and not without", () => {
    const empty = known({ seen: { exceptions: 0, checksum: "0123456789abcdef", steps: [] } });
    const moved = { ...ELSEWHERE, identity: OTHER_FILE, exceptions: 0 };
    expect(tie(empty, { ...moved, copiedStore: "one" })).toBe("active");
    for (const copiedStore of [undefined, "two"]) expect(tie(empty, { ...moved, copiedStore })).toMatch(/^EBUSY/);
  });
});

describe("in a clone of a file system", () => {
  it("the store beside the origin is the clone's, and the one outside the original's", () => {
    expect(tie(known({}, "cloned"))).toBe("active");
    expect(tie(known({ isBeside: false }, "cloned"), {}, MOVED)).toMatch(/^EBUSY: .*copied from/);
  });
});

describe("a COW file that is not there", () => {
  it("is made where a size is given and no register knows it", () => {
    tieMissing("s", "/v/s.cow", undefined, true, false);
    for (const [size, readOnly] of [
      [false, false],
      [true, true],
    ] as const)
      expect(() => tieMissing("s", "/v/s.cow", undefined, size, readOnly)).toThrow(
        expect.objectContaining({ code: "ENOENT" }),
      );
  });
});

describe("in a folder that was copied", () => {
  const copied = (entry: Partial<RegisteredSnapshot> = {}): Known => known(entry, "copied");

  it("the store that came along is the copy's", () => {
    for (const isFinal of [true, false]) expect(tie(copied({ isFinal }), { identity: OTHER_FILE })).toBe("active");
  });

  it("it must fit as well", () => {
    expect(tie(copied(), { identity: OTHER_FILE, exceptions: 2 })).toMatch(/^EINVAL/);
  });

  it("the store outside is the original's", () => {
    expect(tie(copied({ isBeside: false }))).toMatch(/^EBUSY: .*copied from/);
    expect(tie(copied({ isBeside: false }), { identity: OTHER_FILE })).toMatch(/^EBUSY: .*copied from/);
    expect(tie(copied(), { ...ELSEWHERE })).toMatch(/^EBUSY: .*copied from/);
    // Not even by a word: no command about a copy touches the original.
    expect(tie(copied({ isBeside: false }), {}, MOVED)).toMatch(/^EBUSY: .*copied from/);
  });

  it("a copy of the store somewhere else may be given", () => {
    expect(tie(copied({ isBeside: false }), { ...ELSEWHERE, identity: OTHER_FILE })).toBe("active");
  });
});

describe("beside an origin that is another file than the one that was registered, which is gone", () => {
  const moved = (entry: Partial<RegisteredSnapshot> = {}): Known => known(entry, "moved");

  it("a store that came along is taken", () => {
    expect(tie(moved({ isFinal: false }), { identity: OTHER_FILE })).toBe("active");
  });

  it("a store that stayed needs the word: the origin alone may have been replaced", () => {
    for (const entry of [{}, { isBeside: false }]) {
      expect(tie(moved(entry))).toMatch(/^EBUSY: .*moved, or replaced.*--moved/);
      expect(tie(moved(entry), {}, MOVED)).toBe("active");
    }
  });

  it("a store elsewhere is taken where it is exactly what the volume was closed with", () => {
    const elsewhere = { ...ELSEWHERE, identity: OTHER_FILE, registeredIsThere: false };
    expect(tie(moved(), elsewhere)).toBe("active");
    expect(tie(moved({ isFinal: false }), elsewhere)).toMatch(/^EBUSY/);
  });
});

describe("the digest of a store", () => {
  const list = Array.from({ length: 50 }, (_, i) => [(i * 7919) % 1000, i + 2] as const);
  const digestOf = (pairs: readonly (readonly [number, number])[], from = new StoreDigest()): StoreDigest => {
    for (const [oldChunk, newChunk] of pairs) from.add(oldChunk, newChunk);
    return from;
  };

  it("goes on from where it stopped", () => {
    const whole = digestOf(list).seen;
    for (const cut of [0, 1, 49, 50])
      expect(digestOf(list.slice(cut), StoreDigest.after(digestOf(list.slice(0, cut)).seen)).seen).toEqual(whole);
  });

  it("finds its beginning in a list that has grown, and not in another", () => {
    for (const length of [0, 1, 20, 50]) {
      const wanted = digestOf(list.slice(0, length)).seen;
      expect(digestOf(list, new StoreDigest(wanted)).matches).toBe(true);
      if (length === 0) continue;
      expect(digestOf(list.slice(0, length - 1), new StoreDigest(wanted)).matches).toBe(false);
      for (const changed of [
        [list[0][0] + 1, list[0][1]],
        [list[0][0], list[0][1] + 1],
        [list[0][0] + 2 ** 33, list[0][1]],
      ] as const)
        expect(digestOf([changed, ...list.slice(1)], new StoreDigest(wanted)).matches).toBe(false);
    }
  });

  it("tells the order", () => {
    const [a, b, ...rest] = list;
    expect(digestOf([b, a, ...rest]).seen.checksum).not.toBe(digestOf(list).seen.checksum);
  });
});
