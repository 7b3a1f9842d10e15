/**
 * The addon handles what clients and stores send: it is built with the protections of a distribution's own packages.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { HARDENED, protections } from "../support/elf-protections.ts";

it("the built addon has a stack protector, fortified calls, resolved and read-only symbols, and no executable stack", () => {
  expect(protections(join(import.meta.dirname, "../../native-bindings/build/Release/snapring.node"))).toEqual(HARDENED);
});
