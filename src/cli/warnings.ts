/**
 * Warnings of the offline commands: something is odd, but the command goes on. One line each, on stderr, in words and in JSON
 * mode alike.
 */
import { printableLine } from "../base/printable.ts";
import type { Terminal } from "./terminal.ts";

export function printWarnings(terminal: Terminal, where: string, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.err(`${where}: warning: ${printableLine(warning)}\n`);
}
