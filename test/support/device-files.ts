/**
 * An origin and a COW file for each test of a file, in a folder that goes away with the test. What is in them `fill` says; without it they
 * are paths at which nothing is.
 *
 * The exported variables are live: who imports them has those of the test that runs.
 */
import { afterEach, beforeEach } from "vitest";
import { makeScratch, type Scratch } from "./free-socket.ts";

export let scratch: Scratch;
export let origin: string;
export let cow: string;

/** Called once, at the top of the file. */
export function eachTestHasDevices(fill: () => void = () => undefined): void {
  beforeEach(async () => {
    scratch = await makeScratch();
    origin = scratch.file("origin.img");
    cow = scratch.file("snap.cow");
    fill();
  });

  afterEach(() => scratch.remove());
}
