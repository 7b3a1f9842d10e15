import { mkdir, readFile, rmdir } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { Registry } from "../../../src/engine/registry.ts";
import { makeScratch } from "../../support/free-socket.ts";

async function newRegistry(): Promise<{ readonly registry: Registry; readonly path: string }> {
  const scratch = await makeScratch();
  onTestFinished(() => scratch.remove());
  const path = scratch.file("origin.snapshots");
  return { registry: await Registry.open(path), path };
}

async function onDisk(path: string): Promise<unknown> {
  const { snapshots } = JSON.parse(await readFile(path, "utf8")) as { snapshots: unknown };
  return snapshots;
}

test("a record that cannot be written leaves what was recorded before, and a later one does not bring it back (E-36)", async () => {
  const { registry, path } = await newRegistry();
  const active = { cow: "/a.cow", state: "active" } as const;
  await registry.record("a", active);
  await mkdir(`${path}.new`);
  await expect(registry.record("a", { ...active, state: "merging" })).rejects.toThrow();
  expect(registry.snapshots.get("a")).toEqual(active);
  await rmdir(`${path}.new`);
  await registry.record("b", { cow: "/b.cow", state: "active" });
  expect(await onDisk(path)).toMatchObject({ a: active, b: { state: "active" } });
});

test("Invalid stays Invalid where it cannot be written: the origin goes on without the snapshot (S-70)", async () => {
  const { registry, path } = await newRegistry();
  await registry.record("a", { cow: "/a.cow", state: "active" });
  await mkdir(`${path}.new`);
  await expect(registry.record("a", { cow: "/a.cow", state: "invalid" })).rejects.toThrow();
  await rmdir(`${path}.new`);
  await registry.record("b", { cow: "/b.cow", state: "active" });
  expect(await onDisk(path)).toMatchObject({ a: { state: "invalid" } });
});

test("a register that says merging is read as such, and one that is to count as durable is flushed first (C-49)", async () => {
  const { registry, path } = await newRegistry();
  await registry.record("a", { cow: "/a.cow", state: "merging" });
  const again = await Registry.open(path, true);
  expect(again.snapshots.get("a")).toEqual({ cow: "/a.cow", state: "merging" });
});
