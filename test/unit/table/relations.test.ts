/** Constants of the table that depend on each other: where a relation does not hold, its file cannot be loaded. Nothing is loaded before. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";

const FOLDER = new URL("../../../src/table/", import.meta.url);

test.each(readdirSync(FOLDER))("what %s says of its constants holds", async (name) => {
  expect(Object.keys((await import(new URL(name, FOLDER).href)) as object)).not.toEqual([]);
});
