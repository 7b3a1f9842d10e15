/**
 * A terminal that keeps what a command writes, and a way to run a command in this process.
 */
import { runCommandLine } from "../../src/cli/command-line.ts";
import { shown, type Terminal } from "../../src/cli/terminal.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class FakeTerminal implements Terminal {
  stdout = "";
  stderr = "";
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly dropped = 0;

  constructor(isTerminal = false) {
    this.outIsTerminal = isTerminal;
    this.errIsTerminal = isTerminal;
  }

  out(text: string): void {
    this.stdout += shown(text);
  }

  err(text: string): void {
    this.stderr += shown(text);
  }

  columns(): number {
    return 80;
  }

  live(): void {}

  drained(): Promise<void> {
    return Promise.resolve();
  }
}

export async function snapring(...argv: readonly string[]): Promise<Ran> {
  const terminal = new FakeTerminal();
  const code = await runCommandLine(argv, terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}
