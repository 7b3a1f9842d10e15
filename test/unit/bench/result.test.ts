import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { versionIn } from "../../../bench/machine.ts";
import { difference, readResult, resumed, writeResult } from "../../../bench/result.ts";
import { measured, result } from "./records.ts";

const READ = "read-unmapped-4k-qd32";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-result-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a results file", () => {
  it("is read as it was written", () => {
    const path = join(folder, "direct.json");
    const written = result([measured(READ, "a", 0, 100)]);
    expect(readResult(path)).toBeUndefined();
    writeResult(path, written);
    expect(readResult(path)).toEqual(written);
  });

  it("of another kind is refused", () => {
    const path = join(folder, "direct.json");
    writeFileSync(path, "{}");
    expect(() => readResult(path)).toThrow(/not a result/);
  });
});

describe("going on with a bench", () => {
  it("keeps what was measured or skipped, and does failed runs again", () => {
    const old = result(
      [
        measured(READ, "a", 0, 100),
        { outcome: "failed", server: "b", workload: READ, round: 0, why: "x" },
        { outcome: "skipped", server: "c", workload: READ, round: 0, why: "y" },
      ],
      { date: "1999-12-31" },
    );
    const fresh = result([], { workloads: ["read-seq-1m-qd4"], servers: [{ name: "d", role: "peer", text: "is d" }] });
    const both = resumed(old, fresh);
    expect(both.records.map((r) => r.server)).toEqual(["a", "c"]);
    expect(both.servers.map((s) => s.name)).toEqual(["d", "a", "b", "c"]);
    expect(both.workloads).toEqual([READ, "read-seq-1m-qd4"]);
    expect(both.date).toBe("1999-12-31");
  });

  it("is refused with other sizes or times, or in another setting", () => {
    const old = result([]);
    expect(difference(old, result([]))).toBeUndefined();
    expect(difference(old, result([], { extent: { ...old.extent, seconds: 1 } }))).toMatch(/times/);
    expect(difference(old, result([], { direct: false }))).toMatch(/setting/);
    expect(difference(old, result([], { setting: "tmpfs" }))).toMatch(/setting/);
  });
});

describe("versions", () => {
  it("are the first number with dots that a program tells", () => {
    expect(versionIn("qemu-nbd 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)")).toBe("7.2.22");
    expect(versionIn("fio-3.33")).toBe("3.33");
    expect(versionIn("unknown")).toBe("unknown");
  });
});
