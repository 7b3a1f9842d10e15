/**
 * Exports as one line of JSON: what `serve --json` and `demo --json` print when clients may connect.
 *
 *   {"pid":1234,"exports":[{"name":"origin","size":1048576,"read_only":false,"state":"active","uris":["nbd+unix:///origin?socket=/s"]}]}
 */
import type { ExportInfo } from "../engine/volume.ts";

/** `more`: what else a program wants to know. */
export function exportsJson(exports: readonly ExportInfo[], more: Readonly<Record<string, unknown>> = {}): string {
  const all = exports.map((e) => ({
    name: e.name,
    size: e.sizeBytes,
    read_only: e.readOnly,
    state: e.state,
    uris: e.uris,
  }));
  return `${JSON.stringify({ pid: process.pid, ...more, exports: all })}\n`;
}
