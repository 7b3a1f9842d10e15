/**
 * Warnings of the offline commands, one line each, on stderr.
 */
import type { Terminal } from "./terminal.ts";

export function printWarnings(terminal: Terminal, where: string, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.err(`${where}: warning: ${warning}\n`);
}
