import { afterEach, expect, test, vi } from "vitest";
import { checkSurroundings } from "../../../src/engine/surroundings.ts";

afterEach(() => void vi.restoreAllMocks());

test("a working directory that has been removed is named before a thread dies of it", () => {
  // "export worker 1 has died: ENOENT: no such file or directory, uv_cwd"
  vi.spyOn(process, "cwd").mockImplementation(() => {
    throw Object.assign(new Error("ENOENT: no such file or directory, uv_cwd"), { code: "ENOENT" });
  });
  expect(checkSurroundings).toThrow(
    expect.objectContaining({ code: "ENOENT", message: "the working directory has been removed" }),
  );
});

test("a node without WebAssembly says which option has taken it away", () => {
  // "internal error: WebAssembly is not defined", and a stack trace.
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebAssembly") as PropertyDescriptor;
  Reflect.deleteProperty(globalThis, "WebAssembly");
  try {
    expect(checkSurroundings).toThrow(
      expect.objectContaining({ code: "EOPNOTSUPP", hint: expect.stringContaining("--jitless") }),
    );
  } finally {
    Object.defineProperty(globalThis, "WebAssembly", before);
  }
  expect(checkSurroundings).not.toThrow();
});
