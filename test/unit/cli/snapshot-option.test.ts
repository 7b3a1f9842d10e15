/** `--snapshot NAME=COW[,…]` and `--listen ADDRESS`. */
import { describe, expect, it } from "vitest";
import { parseListenOption, parseMode, unixPathOf } from "../../../src/cli/listen-option.ts";
import { parseSnapshotOption, parseSnapshotOptions } from "../../../src/cli/snapshot-option.ts";

describe("--snapshot", () => {
  it("is a name and a path", () => {
    expect(parseSnapshotOption("monday=mon.cow")).toEqual({ name: "monday", cow: "mon.cow" });
  });

  it("takes an equals sign in the path", () => {
    expect(parseSnapshotOption("a=b=c.cow")).toEqual({ name: "a", cow: "b=c.cow" });
  });

  it.each([
    ["a\\=b=c.cow", "a=b", "c.cow"],
    ["a=b\\,c\\=d,size=1M", "a", "b,c=d"],
    ["a\\,b\\\\=c", "a,b\\", "c"],
    ["a=/dev/disk/by-label/My\\x20Disk", "a", "/dev/disk/by-label/My\\x20Disk"],
  ])("takes a backslash before '=', ',' and itself: %s", (text, name, cow) => {
    expect(parseSnapshotOption(text)).toMatchObject({ name, cow });
  });

  it("takes every setting", () => {
    const text = "a=b,chunk=16K,store=po,size=10G,discard_zeroes_cow,discard_passdown_origin,written,read_only";
    expect(parseSnapshotOption(text)).toEqual({
      name: "a",
      cow: "b",
      chunkSize: 16384,
      store: "PO",
      size: 10 * 2 ** 30,
      discardZeroesCow: true,
      discardPassdownOrigin: true,
      written: true,
      readOnly: true,
    });
    expect(() => parseSnapshotOption("a=b,written,sparse")).toThrow("written");
  });

  it("takes what happens when the store runs full", () => {
    expect(parseSnapshotOption("a=b,grow_at=90,grow=1G,grow_max=10G,when_full=stall,stall=0.5")).toEqual({
      name: "a",
      cow: "b",
      grow: { by: 2 ** 30, at: 90, max: 10 * 2 ** 30 },
      whenFull: "stall",
      stallSeconds: 0.5,
    });
    expect(parseSnapshotOption("a=b,grow=16M")).toMatchObject({ grow: { by: 2 ** 24 } });
  });

  it.each([
    ["a=b,grow_at=80", "need grow=SIZE"],
    ["a=b,grow=0", "'grow=0' is nothing"],
    ["a=b,grow=100", "not a multiple of 512 bytes"],
    ["a=b,grow=1M,grow_at=100", "grow_at= must be a whole number from 1 to 99"],
    ["a=b,grow=1M,grow_at=half", "grow_at= must be a whole number"],
    ["a=b,grow=1M,grow_max=1K", "grow_max= is smaller than what is added each time"],
    ["a=b,when_full=wait", 'when_full= must be "invalidate", "overflow" or "stall"'],
    ["a=b,store=PO,when_full=invalidate", "when_full= cannot be"],
    ["a=b,stall=5", 'stall= is for whenFull "stall" only'],
    ["a=b,when_full=stall,stall=soon", "stall= must be a number of seconds"],
  ])("refuses %s", (text, why) => {
    expect(() => parseSnapshotOption(text)).toThrow(why);
  });

  it.each([
    ["mon.cow", "no '='"],
    ["=mon.cow", "that is the live volume"],
    ["origin=mon.cow", "that is the live volume"],
    ["a=", "COW file is missing"],
    ["a=,chunk=1K", "COW file is missing"],
    ["a=b,chunk", "not a setting"],
    ["a=b,chunk=", "not a setting"],
    ["a=b,chunk=x", "--snapshot 'a=b,chunk=x': 'x' is not a size"],
    ["a=b,chunk=3K", "--snapshot 'a=b,chunk=3K': '3K' is no chunk size: a chunk is a power of two"],
    ["a=b,chunk=2G", "no chunk size"],
    ["a=b,chunk=0", "no chunk size"],
    ["a=b,size=0", "'size=0' is nothing"],
    ["a=b,size=1000", "not a multiple of 512 bytes"],
    ["a=b,store=N", "needs chunk=SIZE"],
    ["a=b,store=Q", "not P, PO or N"],
    ["a=b,colour=red", "no setting 'colour'"],
    ["a=b,discard_zeroes_cow=1", "no setting 'discard_zeroes_cow'"],
    [`${"n".repeat(4097)}=b`, "too long"],
  ])("refuses %.40s", (text, why) => {
    expect(() => parseSnapshotOption(text)).toThrow(why);
  });

  it("refuses the same name twice", () => {
    expect(() => parseSnapshotOptions(["a=b", "a=c"])).toThrow("another snapshot named 'a'");
  });
});

describe("--listen", () => {
  it.each(["unix:/run/s.sock", "unix:s.sock", "tcp:127.0.0.1:10809", "tcp:localhost:0", "tcp:[::1]:10809", "fd:3"])(
    "takes %s",
    (text) => {
      expect(parseListenOption(text)).toBe(text);
    },
  );

  it.each([
    ["10809", "neither"],
    ["unix:", "path is missing"],
    [`unix:/${"d".repeat(107)}`, "at most 107 bytes"],
    ["tcp:localhost", "not tcp:HOST:PORT"],
    ["tcp::10809", "not tcp:HOST:PORT"],
    ["tcp:::1:10809", "not tcp:HOST:PORT"],
    ["tcp:localhost:65536", "at most 65535"],
    ["tcp:localhost:x", "not tcp:HOST:PORT"],
  ])("refuses %.20s", (text, why) => {
    expect(() => parseListenOption(text)).toThrow(why);
  });

  it("knows the file of a unix address", () => {
    expect(unixPathOf("unix:/run/s.sock")).toBe("/run/s.sock");
    expect(unixPathOf("tcp:localhost:1")).toBeUndefined();
    expect(unixPathOf("fd:3")).toBeUndefined();
  });
});

describe("--socket-mode", () => {
  it.each([
    ["0660", 0o660],
    ["600", 0o600],
    ["0000", 0],
  ])("%s is octal", (text, mode) => {
    expect(parseMode(text)).toBe(mode);
  });

  it.each(["", "660x", "0680", "01660", "66", "rw", "0o660"])("is not %s", (text) => {
    expect(() => parseMode(text)).toThrow("is not a mode from 0000 to 0777");
  });
});
