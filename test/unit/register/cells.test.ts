/**
 * The table of docs/RELIABILITY.md ("A volume knows its own"), cell by cell, on real files: what is asked × what the register says × what is
 * at the path that is given. Who decides is register/tie.ts, register/abandon.ts, offline/offline-ties.ts and offline/create-store.ts.
 *
 * A cell that is refused leaves every file as it was. The words that follow an opening (`--moved`, `--unregistered`) have their own cells.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commandHint, SnapringError } from "../../../src/base/errno.ts";
import { OfflineMerge } from "../../../src/offline/merge-store.ts";
import { OfflineTies } from "../../../src/offline/offline-ties.ts";
import { storeStatus } from "../../../src/offline/store-status.ts";
import {
  contents,
  eachTestHasPlace,
  lines,
  log,
  makeWorld,
  Opening,
  registeredState,
  type Says,
  scratch,
  THERE,
  type World,
} from "../../support/register-world.ts";
import { snapring } from "../../support/fake-terminal.ts";
import { sinkIn } from "../../support/sink.ts";

/** By the columns of THERE; undefined: there is no such cell. */
type Row = readonly (RegExp | undefined)[];
type Act = (world: World) => Promise<string>;

eachTestHasPlace();

const REFUSED = /^[A-Z]+: /;

function cells(act: Act, rows: Partial<Record<Says, Row>>): void {
  const all = Object.entries(rows).flatMap(([says, row]) =>
    row.flatMap((expected, column) =>
      expected === undefined ? [] : [{ says: says as Says, there: THERE[column], expected }],
    ),
  );
  it.each(all)("$says × $there: $expected", async ({ says, there, expected }) => {
    const world = await makeWorld(scratch.path, says, there);
    const before = contents(scratch.path);
    const happened = await act(world);
    expect(happened).toMatch(expected);
    if (REFUSED.test(happened)) expect(contents(scratch.path)).toEqual(before);
  });
}

/** What the user is told. */
async function told(body: () => Promise<string>): Promise<string> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    return `${error.code}: ${error.message} (${commandHint(error)})`;
  }
}

function open(words: { moved?: boolean; unregistered?: boolean } = {}, make = false, size = true): Act {
  return ({ origin, cow, folder }) =>
    told(async () => {
      await using volume = await Opening.open({ origin, log, ...words }, cow, make, size);
      await volume.settle();
      const made = volume.opened?.made !== undefined ? ", the file too" : "";
      return `${volume.state}${made}, registered as ${registeredState(folder)}`;
    });
}

async function command(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await snapring(...argv);
  return code === 0 ? `${stdout}${stderr}` : `EXIT: ${stderr}`;
}

const ACTIVE = /^active, registered as active$/;
const INVALID = /^invalid, registered as invalid$/;
const NEW = /^new, registered as active$/;
const MADE = /^new, the file too, registered as active$/;
const COPY = /^EBUSY: snapshot 's' is registered, and .*copy\.cow is a copy: something is still where it was.*--moved/;
const ANOTHER_FILE = /^EBUSY: .*is another file than the one that was registered.*--moved/;
const NO_STORE = /^EBUSY: snapshot 's' is registered, and .* has no store in it.*--abandon s/;
const MISSING = /^ENOENT: COW device .*s\.cow is missing, and snapshot 's' is (active|merging).*is its disk mounted/;
const NOT_BLANK = /^EEXIST: COW device .*s\.cow is not blank.*it is not made into a store/;
const ANOTHERS = /^EBUSY: .*is the store of snapshot 's', registered in .*b\/disk\.img\.snapshots/;
const MISFIT = /^EINVAL: .*has other exceptions than when it was last seen: another store/;
const HOLDS_ONE = /^EEXIST: .*holds a store already: it is no snapshot of this moment/;

describe("open", () => {
  cells(open(), {
    nothing: [undefined, undefined, undefined, ACTIVE, NEW, NOT_BLANK, MADE],
    active: [ACTIVE, ACTIVE, COPY, ANOTHER_FILE, NO_STORE, NO_STORE, MISSING],
    merging: [
      /^merging, registered as merging$/,
      /^merging, registered as merging$/,
      COPY,
      ANOTHER_FILE,
      NO_STORE,
      NO_STORE,
      MISSING,
    ],
    invalid: [INVALID, INVALID, ACTIVE, ACTIVE, NEW, NOT_BLANK, MADE],
    "of another origin": [ANOTHERS, ANOTHERS, ACTIVE, undefined, ANOTHERS, ANOTHERS, undefined],
  });
});

describe("open, and no size is given", () => {
  const NONE =
    /^ENOENT: COW device .*s\.cow of snapshot 's' does not exist \(give it a size to have it made: size=SIZE\)$/;
  const last = (expected: RegExp): Row => [...Array.from({ length: THERE.length - 1 }, () => undefined), expected];
  cells(open({}, false, false), {
    nothing: last(NONE),
    active: last(MISSING),
    merging: last(MISSING),
    invalid: last(NONE),
  });
});

describe("open --moved", () => {
  cells(open({ moved: true }), {
    active: [ACTIVE, ACTIVE, ACTIVE, MISFIT, NO_STORE, NO_STORE, MISSING],
    merging: [undefined, undefined, /^merging, registered as merging$/, MISFIT, NO_STORE, NO_STORE, MISSING],
    "of another origin": [ANOTHERS, ANOTHERS, undefined, undefined, ANOTHERS, ANOTHERS, undefined],
  });
});

describe("in a copy that has been served, and has a register of its own by now", () => {
  it.each(["active", "merging"] as const)(
    "the original's store (%s) stays the original's, whatever is said",
    async (says) => {
      const world = await makeWorld(scratch.path, says, "its store");
      const copy = join(scratch.path, "c");
      expect(spawnSync("cp", ["-a", world.folder, copy]).status).toBe(0);
      const own = { ...world, folder: copy, origin: join(copy, "disk.img"), cow: join(copy, "s.cow") };
      const opened = new RegExp(`^${says}, registered as ${says}$`);
      for (let times = 0; times < 2; times++) expect(await open()(own)).toMatch(opened);
      const before = contents(scratch.path);
      const original = /is the store of snapshot 's', registered in .*a\/disk\.img\.snapshots/;
      expect(await open()({ ...own, cow: world.cow })).toMatch(/^EBUSY: /);
      for (const words of [{ moved: true }, { moved: true, unregistered: true }])
        expect(await open(words)({ ...own, cow: world.cow })).toMatch(original);
      renameSync(own.cow, join(scratch.path, "away/s.cow"));
      for (const words of [[], ["--moved"], ["--unregistered"]]) {
        expect(await command("merge", own.origin, world.cow, ...words)).toMatch(original);
        if (words[0] !== "--unregistered")
          expect(await command("read", own.origin, world.cow, "--output", sinkIn(scratch.path), ...words)).toMatch(
            original,
          );
      }
      renameSync(join(scratch.path, "away/s.cow"), own.cow);
      expect(contents(scratch.path)).toEqual(before);
      expect(await open()(world)).toMatch(opened);
      expect(await open()(own)).toMatch(opened);
    },
  );
});

describe("make (createSnapshot)", () => {
  const NONE: Row = [undefined, undefined, undefined, HOLDS_ONE, NEW, NOT_BLANK, MADE];
  cells(open({}, true), {
    nothing: NONE,
    invalid: [HOLDS_ONE, HOLDS_ONE, HOLDS_ONE, ...NONE.slice(3)],
    "of another origin": [HOLDS_ONE, HOLDS_ONE, HOLDS_ONE, undefined, ANOTHERS, ANOTHERS, undefined],
  });
});

describe("create --force", () => {
  const CREATED = /: empty store of 64 KiB/;
  const REGISTERED = /^EXIT: .*is the store of snapshot 's', registered in .*--abandon s/;
  const row: Row = [REGISTERED, REGISTERED, CREATED, CREATED, CREATED, CREATED, CREATED];
  cells(({ cow }) => command("create", cow, "--force", "--size", "64K", "--chunk-size", "4K"), {
    nothing: [undefined, undefined, undefined, CREATED, CREATED, CREATED, CREATED],
    active: row,
    merging: row,
    invalid: [CREATED, CREATED, CREATED, CREATED, CREATED, CREATED, CREATED],
    "of another origin": [REGISTERED, REGISTERED, CREATED, undefined, REGISTERED, REGISTERED, undefined],
  });

  it.each([
    ["its store", "active", /is the store of snapshot 's'/],
    ["its store", "invalid", /holds a snapshot already.*--force/],
    ["another store", "nothing", /holds a snapshot already.*--force/],
    ["a copy of it", "active", /holds a snapshot already.*--force/],
    ["foreign content", "active", /is not blank.*--force/],
  ] as const)("is asked for: without it %s × %s is refused", async (there, says, message) => {
    const world = await makeWorld(scratch.path, says, there);
    expect(await command("create", world.cow)).toMatch(message);
  });

  it.each(["blank", "nothing there"] as const)(
    "in the place of a registered store (%s) makes one that the snapshot does not take",
    async (there) => {
      const world = await makeWorld(scratch.path, "active", there);
      expect(await command("create", world.cow, "--size", "64K", "--chunk-size", "4K")).toMatch(CREATED);
      expect(await open()(world)).toMatch(ANOTHER_FILE);
      expect(await open({ moved: true })(world)).toMatch(/^EINVAL: .*was made anew since/);
    },
  );
});

describe("--abandon", () => {
  /** No path is given: what counts is what is where the store was registered. Also says which stores have changed, to what. */
  const abandon: Act = async (world) => {
    if (world.cow.endsWith("copy.cow")) {
      renameSync(join(world.folder, "s.cow"), join(scratch.path, "away/s.cow"));
      renameSync(world.cow, join(world.folder, "s.cow"));
    }
    const before = contents(scratch.path);
    const happened = await told(async () => {
      await using volume = await Opening.open({ origin: world.origin, log, abandon: ["s"] });
      await volume.settle();
      expect(registeredState(world.folder)).toBeUndefined();
      return lines.join("\n");
    });
    const after = contents(scratch.path);
    const changed = Object.keys(before).filter((path) => before[path] !== after[path]);
    const cows = changed.filter((path) => path.endsWith(".cow")).map((path) => storeStatus({ cow: path }).state);
    return `${happened}; stores changed: ${cows.join(" ")}`;
  };
  const MARKED = /^s: given up; .*; stores changed: invalid$/;
  const LEFT =
    /^s: given up; .*is another file than the one that was registered, and is left as it is; stores changed: $/;
  const GONE = /^s: given up; .*s\.cow is not there: it must not be used again when it comes back; stores changed: $/;
  const FORGOTTEN = /^s: was Invalid; it is forgotten; stores changed: $/;
  const row: Row = [MARKED, GONE, LEFT, LEFT, LEFT, LEFT, GONE];
  cells(abandon, {
    nothing: [undefined, undefined, undefined, /^ENOENT: there is no registered snapshot 's'/],
    active: row,
    merging: row.map((expected) => expected && new RegExp(expected.source.replace("; .*", "; .*half merged.*"))),
    invalid: THERE.map(() => FORGOTTEN),
  });

  it("in a folder that was moved as a whole marks the store that moved with it", async () => {
    const world = await makeWorld(join(scratch.path), "active", "its store");
    const folder = join(scratch.path, "c");
    renameSync(world.folder, folder);
    const moved = { ...world, folder, origin: join(folder, "disk.img"), cow: join(folder, "s.cow") };
    expect(await abandon(moved)).toMatch(MARKED);
  });

  it("of a store that was renamed: it is not taken when it comes back", async () => {
    const world = await makeWorld(scratch.path, "active", "its store, moved");
    expect(await abandon(world)).toMatch(GONE);
    expect(await open()(world)).toMatch(
      /^EBUSY: .*was snapshot 's' in the register .*written without it.*--unregistered/,
    );
  });
});

/** Asked of what no register, or another one, says; the store that is merged or read is the one of the path. */
const BLANK_HEADER = /^EXIT: .*holds no snapshot: its header is blank/;
const NOT_THERE = /^EXIT: .*cannot open COW file .*no such file/;
const NO_SNAPSHOT: Row = [BLANK_HEADER, BLANK_HEADER, NOT_THERE];
const STANDS = /^EXIT: .*is the store of snapshot 's', registered in .*b\/disk\.img\.snapshots/;
const IS_INVALID =
  /^EXIT: .*: the snapshot is Invalid: its origin was written without it.*it was dropped or ran full; what it held is lost/s;
const STRANGER = /^EXIT: .*s\.cow is another file than the one that was registered/;
const UNREGISTERED = /^EXIT: .*no register says that .* is a snapshot of .*say --unregistered/;

function merge(...words: readonly string[]): Act {
  return async ({ origin, cow, folder, view }) => {
    const happened = await command("merge", origin, cow, ...words);
    if (happened.startsWith("EXIT")) return happened;
    const right = readFileSync(origin).equals(view) ? "right" : "wrong";
    if (!existsSync(`${origin}.snapshots`)) return `${right}, no register`;
    return `${right}, registered as ${registeredState(folder)}`;
  };
}

describe("merge", () => {
  const MERGED = /^right, registered as active$/;
  const OTHERS =
    /^EXIT: .*has other snapshots that a merge would destroy: s \(.*s\.cow\).*gives one up(?!.*whose store is missing)/s;
  cells(merge(), {
    nothing: [undefined, undefined, undefined, UNREGISTERED, ...NO_SNAPSHOT],
    active: [MERGED, MERGED, OTHERS, STRANGER, ...NO_SNAPSHOT],
    merging: [MERGED, MERGED, OTHERS, STRANGER, ...NO_SNAPSHOT],
    invalid: [IS_INVALID, IS_INVALID, UNREGISTERED, UNREGISTERED, ...NO_SNAPSHOT],
    "of another origin": [STANDS, STANDS, UNREGISTERED, undefined, ...NO_SNAPSHOT.slice(0, 2), NOT_THERE],
  });
});

describe("merge --unregistered", () => {
  // A rescue is forgotten again when it has ended, and no word reaches a store that another origin has. It left an empty register.
  const RESCUED = /^(right|wrong), no register$/;
  const BESIDE = /^(right|wrong), registered as invalid$/;
  const OTHERS =
    /^EXIT: .*has other snapshots that a merge would destroy: s \(.*s\.cow\).*gives one up(?!.*whose store is missing)/s;
  cells(merge("--unregistered"), {
    nothing: [undefined, undefined, undefined, RESCUED, ...NO_SNAPSHOT],
    active: [undefined, undefined, OTHERS, undefined, ...NO_SNAPSHOT],
    invalid: [IS_INVALID, IS_INVALID, BESIDE, BESIDE],
    "of another origin": [STANDS, STANDS, RESCUED, undefined, ...NO_SNAPSHOT.slice(0, 2), NOT_THERE],
  });
});

describe("merge --moved", () => {
  const MERGED = /^right, registered as active$/;
  cells(merge("--moved"), {
    active: [MERGED, MERGED, undefined, /^EXIT: .*other exceptions than when it was last seen/, ...NO_SNAPSHOT],
  });

  it("of a copy, where the registered store is gone, is a merge of the snapshot", async () => {
    const world = await makeWorld(scratch.path, "active", "a copy of it");
    renameSync(join(world.folder, "s.cow"), join(scratch.path, "away/s.cow"));
    expect(await merge()(world)).toMatch(/if it is 's', whose store is missing, say --moved/);
    expect(await merge("--moved")(world)).toMatch(MERGED);
  });
});

describe("a merge that was begun", () => {
  it.each([
    ["active", []],
    ["nothing", ["unregistered"]],
  ] as const)("is registered before its first chunk: the volume goes on with it (%s)", async (says, words) => {
    const world = await makeWorld(scratch.path, says, says === "active" ? "its store" : "another store");
    {
      using work = new OfflineMerge(world);
      const unregistered = words.length > 0;
      await (await OfflineTies.forMerge(work.devices, { moved: false, unregistered })).begin();
    }
    const name = says === "active" ? "s" : "s.cow";
    expect(registeredState(world.folder, name)).toBe("merging");
    expect(await told(() => Opening.open({ origin: world.origin }).then(() => "open"))).toMatch(
      new RegExp(`^EBUSY: .*has a snapshot '${name}'`),
    );
    expect(await open()(world)).toMatch(/^merging, registered as merging$/);
  });
});

it("a rescue of a store whose file is called as the live volume's export has another name meanwhile", async () => {
  const world = await makeWorld(scratch.path, "nothing", "another store");
  const cow = join(world.folder, "origin");
  renameSync(world.cow, cow);
  {
    using work = new OfflineMerge({ ...world, cow });
    await (await OfflineTies.forMerge(work.devices, { moved: false, unregistered: true })).begin();
  }
  expect(registeredState(world.folder, "origin.cow")).toBe("merging");
  expect(await merge()({ ...world, cow })).toMatch(/, no register$/);
});

it("a rescue that was cut is forgotten, too, when another one has ended it", async () => {
  // The second one took it for a snapshot of the volume, which it had never been.
  const world = await makeWorld(scratch.path, "nothing", "another store");
  {
    using work = new OfflineMerge(world);
    await (await OfflineTies.forMerge(work.devices, { moved: false, unregistered: true })).begin();
  }
  expect(await merge()(world)).toMatch(/, no register$/);
});

function read(...words: readonly string[]): Act {
  return async ({ origin, cow, view }) => {
    const output = join(scratch.path, "view");
    const happened = await command("read", origin, cow, "--output", output, ...words);
    if (happened.startsWith("EXIT")) return existsSync(output) ? `left ${output}` : happened;
    return `${readFileSync(output).equals(view) ? "right" : "wrong"}: ${happened}`;
  };
}

describe("read", () => {
  const READ = /^right: $/;
  const WARNED = /^(right|wrong): .*warning: no register says/;
  const NONE =
    /^EXIT: .*is none of the snapshots that .*disk\.img has.*its snapshots: s \(.*s\.cow\); --moved .*--unregistered/s;
  cells(read(), {
    nothing: [undefined, undefined, undefined, WARNED, ...NO_SNAPSHOT],
    active: [READ, READ, NONE, STRANGER, ...NO_SNAPSHOT],
    merging: [READ, READ, NONE, STRANGER, ...NO_SNAPSHOT],
    invalid: [IS_INVALID, IS_INVALID, NONE, NONE, ...NO_SNAPSHOT],
    "of another origin": [STANDS, STANDS, WARNED, undefined, ...NO_SNAPSHOT.slice(0, 2), NOT_THERE],
  });
});

describe("read --unregistered", () => {
  const READ = /^(right|wrong): $/;
  cells(read("--unregistered"), {
    nothing: [undefined, undefined, undefined, READ, ...NO_SNAPSHOT],
    active: [undefined, undefined, READ, undefined, ...NO_SNAPSHOT],
    invalid: [IS_INVALID, IS_INVALID, READ, READ],
    "of another origin": [READ, READ, READ],
  });
});

describe("drop", () => {
  it.each(["active", "invalid"] as const)("%s: the register and the store's mark forget it", async (says) => {
    const world = await makeWorld(scratch.path, says, "its store");
    {
      await using volume = await Opening.open({ origin: world.origin }, world.cow);
      await volume.settle();
      await volume.set.remove(volume.registrand);
    }
    expect(registeredState(world.folder)).toBeUndefined();
    // Its header is the core's to write (core/drop.test.ts): here it still opens, as a store that nobody has.
    expect(await open()(world)).toMatch(/, registered as (active|invalid)$/);
  });
});
