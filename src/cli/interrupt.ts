/**
 * Ctrl-C and SIGTERM: the first asks the command to end in good order, a later one ends the process at once.
 *
 *   signal ─▶ requested ── 1 s ──▶ it is said that the next one ends it at once ── ½ s ──▶ signal ─▶ the end, at once
 *                └── signals: the same stop, said again                └── signals: sent before that could be read
 *
 * One stop often comes as several signals within milliseconds: `timeout` signals its child and then the whole process group, npm
 * forwards the Ctrl-C that the terminal has sent to all. That is no impatience, and ending at once would lose what was acknowledged
 * and not flushed. Only who has been told what the next signal does, and sends it, means it.
 *
 * "At once" is what a crash is: what is on disk is good at any moment, as it is after a power cut. Files that would be left lying
 * about (sockets) are removed first.
 */
import { rmSync } from "node:fs";
import { type PlacedFile, removePlaced } from "../device/placed-file.ts";
import { endAtOnce } from "./end-at-once.ts";
import { type HeldSignal, hear } from "./signals.ts";

export interface InterruptOptions {
  /** Prints a line for people. */
  readonly say: (line: string) => void;
  /** To remove when the process ends at once: paths of ours alone, and files at paths that may be another's by then. */
  readonly leftovers?: readonly (string | PlacedFile)[];
  /** Further signals that ask for the end. */
  readonly also?: readonly HeldSignal[];
  /** Ends the process. */
  readonly end?: () => void;
}

export interface Interrupt extends Disposable {
  /** Set by the first signal. */
  readonly requested: boolean;
  /** Resolves with the first signal. */
  readonly signal: Promise<NodeJS.Signals>;
}

const SAME_STOP_MS = 1000;
const READING_MS = 500;

/** Listens until it is disposed. */
export function onInterrupt(options: InterruptOptions): Interrupt {
  let requested = false;
  let isArmed = false;
  let timer: NodeJS.Timeout | undefined;
  let resolve: (signal: NodeJS.Signals) => void;
  const signal = new Promise<NodeJS.Signals>((done) => {
    resolve = done;
  });
  const wait = (milliseconds: number, then: () => void): void => {
    timer = setTimeout(then, milliseconds);
    timer.unref();
  };
  const warn = (): void => {
    options.say("stopping; another signal ends it at once, as a crash would");
    wait(READING_MS, () => {
      isArmed = true;
    });
  };
  const listener = (name: HeldSignal): void => {
    if (isArmed) {
      for (const one of options.leftovers ?? []) {
        if (typeof one === "string") rmSync(one, { force: true });
        else removePlaced(one);
      }
      (options.end ?? endAtOnce)();
    }
    if (requested) return;
    requested = true;
    wait(SAME_STOP_MS, warn);
    resolve(name);
  };
  const names: HeldSignal[] = ["SIGINT", "SIGTERM", ...(options.also ?? [])];
  const ends = names.map((name) => hear(name, listener));
  return {
    get requested() {
      return requested;
    },
    signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const end of ends) end();
    },
  };
}
