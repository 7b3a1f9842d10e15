/**
 * What takes time can be aborted, at each place where it looks: what was begun is taken back, nothing is left, and the next time it succeeds.
 */
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openVolume, type VolumeOptions } from "../../src/index.ts";
import { Register } from "../../src/register/register.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";

const MIB = 2 ** 20;
const ABORTED = { name: "AbortError", code: "ABORT_ERR" } as const;

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
  await writeFile(scratch.file("origin"), dataPattern(MIB, 1));
});

afterEach(() => scratch.remove());

function options(): VolumeOptions {
  const snapshot = { name: "s", cow: scratch.file("s.cow"), size: 2 * MIB };
  return {
    origin: scratch.file("origin"),
    workers: 1,
    snapshots: [snapshot],
    listen: [`unix:${scratch.file("socket")}`],
  };
}

/** Is found aborted when it is looked at for the n-th time. */
function abortedAt(look: number): { readonly signal: AbortSignal; readonly looks: () => number } {
  const { signal } = new AbortController();
  let looks = 0;
  Object.defineProperty(signal, "aborted", { get: () => ++looks >= look });
  return { signal, looks: () => looks };
}

test("an opening that is aborted leaves nothing, wherever it is", async () => {
  const left: string[][] = [];
  for (let look = 1; ; look++) {
    const { signal } = abortedAt(look);
    const opened = await openVolume(options(), { signal }).catch((error: unknown) => error);
    if (!(opened instanceof Error)) {
      await (opened as AsyncDisposable)[Symbol.asyncDispose]();
      expect(look).toBeGreaterThan(4);
      break;
    }
    expect(opened).toMatchObject(ABORTED);
    left.push(readdirSync(scratch.path).filter((name) => name !== "origin.snapshots"));
    // The register may have been made, and knows nothing.
    const register = await Register.read(scratch.file("origin.snapshots"), false);
    expect([...(register?.snapshots.keys() ?? [])]).toEqual([]);
  }
  expect(new Set(left.map((names) => names.join()))).toEqual(new Set(["origin"]));
});

test("a creation that is aborted leaves no snapshot and no file, also where it came too late; another one may follow", async () => {
  await using volume = await openVolume({ ...options(), snapshots: [] });
  const [snapshot] = options().snapshots!;
  let looks = 0;
  for (let look = 1; ; look++) {
    const { signal } = abortedAt(look);
    const error = await volume.createSnapshot(snapshot!, { signal }).catch((thrown: unknown) => thrown);
    if (!(error instanceof Error)) break;
    looks = look;
    expect(error).toMatchObject(ABORTED);
    expect([volume.exports.map(({ name }) => name), readdirSync(scratch.path).includes("s.cow")]).toEqual([
      ["origin"],
      false,
    ]);
  }
  expect(looks).toBeGreaterThan(2);
  expect(volume.status("s").state).toBe("active");
});
