/** Addresses of the library and the command line, and the URIs that lead there: what libnbd reads in them is what was meant. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readAddress, uriOf } from "../../../src/engine/listen-address.ts";

describe("an address", () => {
  test.each([
    ["unix:/run/s.sock", { unix: "/run/s.sock" }],
    ["unix:s.sock", { unix: "s.sock" }],
    ["unix:/a b?c&d#e%f,g=h:i", { unix: "/a b?c&d#e%f,g=h:i" }],
    [`unix:/${"d".repeat(106)}`, { unix: `/${"d".repeat(106)}` }],
    ["tcp:127.0.0.1:10809", { host: "127.0.0.1", port: 10809 }],
    ["tcp:localhost:0", { host: "localhost", port: 0 }],
    ["tcp:[::1]:10809", { host: "::1", port: 10809 }],
    ["fd:3", { fd: 3 }],
    ["fd:2147483647", { fd: 2147483647 }],
  ])("is %.30s", (text, address) => {
    expect(readAddress(text)).toEqual(address);
  });

  test.each([
    ["", "neither"],
    ["10809", "neither"],
    ["/run/s.sock", "neither"],
    ["unix:", "path is missing"],
    ["unix:a\0b", "no zero byte"],
    [`unix:/${"d".repeat(107)}`, "at most 107 bytes, this one 108"],
    [`unix:/${"ü".repeat(54)}`, "at most 107 bytes, this one 109"],
    ["tcp:localhost", "not tcp:HOST:PORT"],
    ["tcp::10809", "not tcp:HOST:PORT"],
    ["tcp:::1:10809", "not tcp:HOST:PORT"],
    ["tcp:localhost:65536", "at most 65535"],
    ["tcp:localhost:x", "not tcp:HOST:PORT"],
    ["fd:", "a number from 3 on"],
    ["fd:2", "a number from 3 on"],
    ["fd:0x10", "a number from 3 on"],
    ["fd:2147483648", "a number from 3 on"],
  ])("is not %.20s", (text, why) => {
    expect(readAddress(text)).toContain(why);
  });
});

describe("a URI", () => {
  test.each([
    ["/run/s.sock", "before", "nbd+unix:///before?socket=/run/s.sock"],
    ["/a b/c?d&e#f%g+h", "i j?k&l#m%n/o", "nbd+unix:///i%20j%3Fk%26l%23m%25n%2Fo?socket=/a%20b/c%3Fd%26e%23f%25g%2Bh"],
    ["/it's", "(ü)*!", "nbd+unix:///%28%C3%BC%29%2A%21?socket=/it%27s"],
    ["s.sock", "", `nbd+unix:///?socket=${resolve("s.sock")}`],
  ])("of %s, %s", (unix, name, uri) => {
    expect(uriOf({ unix }, name)).toBe(uri);
    expect(uri).not.toMatch(/[\s'"!*()]/);
  });

  test("keeps a socket's path relative where the whole one is too long for a client", () => {
    expect(uriOf({ unix: "d".repeat(107) }, "a")).toBe(`nbd+unix:///a?socket=${"d".repeat(107)}`);
  });

  test("of TCP", () => {
    expect(uriOf({ host: "::1", port: 1 }, "a")).toBe("nbd://[::1]:1/a");
    expect(uriOf({ host: "127.0.0.1", port: 1 }, "a b")).toBe("nbd://127.0.0.1:1/a%20b");
  });
});
