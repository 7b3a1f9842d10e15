/**
 * Which protections a shared object was built with, as readelf shows them.
 *
 *   stack        functions look whether their frame was overrun (-fstack-protector-strong)
 *   fortify      calls of libc that fill a buffer know its size (_FORTIFY_SOURCE)
 *   relro, now   all symbols are resolved at loading, and the table of their addresses is read-only from then on
 *   noexec       the stack is not executable, no page is writable and executable
 *   stays        it is never unloaded: a thread may come back to it from a device that hangs (native-bindings/src/helpers.h)
 */
import { spawnSync } from "node:child_process";

export interface Protections {
  readonly stack: boolean;
  readonly fortify: boolean;
  readonly relro: boolean;
  readonly now: boolean;
  readonly noexec: boolean;
  readonly stays: boolean;
}

export const HARDENED: Protections = { stack: true, fortify: true, relro: true, now: true, noexec: true, stays: true };

export function protections(path: string): Protections {
  const symbols = readelf("--dyn-syms", path);
  const segments = readelf("--program-headers", path);
  return {
    stack: / __stack_chk_fail[@\s]/.test(symbols),
    fortify: / __(?!stack)\w+_chk[@\s]/.test(symbols),
    relro: /^\s*GNU_RELRO /m.test(segments),
    now: /\((FLAGS|FLAGS_1|BIND_NOW)\).*\bNOW\b|BIND_NOW/.test(readelf("--dynamic", path)),
    noexec: /^\s*GNU_STACK .* RW +0x/m.test(segments) && !/ RWE /.test(segments),
    stays: /\(FLAGS_1\).*\bNODELETE\b/.test(readelf("--dynamic", path)),
  };
}

function readelf(what: string, path: string): string {
  const { status, stdout, stderr } = spawnSync("readelf", ["--wide", what, path], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
