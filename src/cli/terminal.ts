/**
 * Where a command writes: the process's own streams, or strings in a test.
 *
 * Results go to `out`, everything else (errors, warnings, progress) to `err`, so that a pipe carries results only.
 */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Width of the terminal behind `err`. */
  columns(): number;
}

export function processTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    columns: () => process.stderr.columns ?? 80,
  };
}
