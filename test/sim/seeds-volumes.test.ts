/**
 * Lives of three volumes on one set of workers, with and without S-57, S-54 and S-55; see together.ts. `npm run sim -- --depth volumes` has more.
 */
import { expect, test } from "vitest";
import { MOMENTS } from "./group-life.ts";
import { liveMany } from "./seeds.ts";

const LIVES = 8;
/** In which groups see deaths. */
const DEADLY_LIVES = 3;

/** In these few lives. What is rarer is in the lives of one volume. */
const HAPPENS = [
  ...["close", "fail", "origin gone", "knock", "opened again", "crash", "kill"],
  ...["group", "group undone"],
  ...["read", "write", "flush", "create", "merge", "prefilled"],
];

test.each([false, true])(
  "three volumes on one engine: the promise holds for each, whatever becomes of the others (C-19, E-42; without S-57: %s)",
  (plain) => {
    const seen = liveMany("volumes", 1, LIVES, plain);
    for (const what of HAPPENS) expect(seen[what], what).toBeGreaterThan(0);
  },
);

test("a death may find a group anywhere on its way, and leaves what E-40 and E-50 promise", () => {
  const seen = liveMany("volumes", 101, DEADLY_LIVES, false, ["crashes", "kills", "registry"]);
  for (const what of [...MOMENTS.map((moment) => `group dies: ${moment}`), "group killed", "group cut"])
    expect(seen[what], what).toBeGreaterThan(0);
});
