/**
 * The process's signals, from its first statement to its end. It is the first module that is loaded, so it imports nothing of ours.
 *
 *   entry: holdSignals ─▶ a signal that comes is remembered ─▶ hear(name): delivered, then and from there on
 *                                                          ─▶ not heard any more: it comes and nothing happens
 *
 * A signal without a handler kills the process, amid its start or its drain; SIGUSR1 without one opens node's inspector. So the
 * commands that serve have their handlers before anything else is loaded and keep them to the end; what listens only comes and goes
 * behind them. The other commands do their work synchronously and must end by Ctrl-C at any moment: they hold SIGUSR1 only.
 *
 * What happened in the 30 ms before (node starting) cannot be held: SIGUSR1 then opens the inspector, which is closed again
 * unless somebody has asked for one, and the others end a process that has not begun.
 */

export type HeldSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGUSR1";
type Listener = (name: HeldSignal) => void;

const SERVING_COMMANDS: readonly (string | undefined)[] = ["serve", "demo", "daemon"];

const held = new Set<HeldSignal>();
const listeners = new Map<HeldSignal, Listener>();
const remembered = new Set<HeldSignal>();

/** node starts its inspector from a thread of its own, which may be late on a busy machine. */
const INSPECTOR_LOOKS_MS = [0, 20, 100, 500, 2000];

/**
 * Once, first of all; `command`: the first argument. SIGUSR1 first: until then it is node's, and whoever sees that another one is caught takes it for
 * ours.
 */
export function holdSignals(command: string | undefined): void {
  const names = SERVING_COMMANDS.includes(command)
    ? (["SIGUSR1", "SIGINT", "SIGTERM", "SIGHUP"] as const)
    : (["SIGUSR1"] as const);
  for (const name of names) {
    held.add(name);
    process.on(name, deliver);
  }
  closeInspector();
  for (const milliseconds of INSPECTOR_LOOKS_MS) setTimeout(closeInspector, milliseconds).unref();
}

/** Calls `listener`, at once if the signal has come already; returns how to stop that. */
export function hear(name: HeldSignal, listener: Listener): () => void {
  listeners.set(name, listener);
  if (!held.has(name)) process.on(name, deliver);
  if (remembered.delete(name)) listener(name);
  return () => {
    listeners.delete(name);
    if (held.has(name)) forget.add(name);
    else process.off(name, deliver);
  };
}

/** Heard once and not any more: the volume closes, and there is nothing left to do for them. */
const forget = new Set<HeldSignal>();

function deliver(signal: NodeJS.Signals): void {
  const name = signal as HeldSignal;
  const listener = listeners.get(name);
  if (listener !== undefined) listener(name);
  else if (!forget.has(name)) remembered.add(name);
}

function closeInspector(): void {
  if (!process.features.inspector || wantsInspector()) return;
  const inspector = process.getBuiltinModule("node:inspector");
  if (inspector.url() !== undefined) inspector.close();
}

function wantsInspector(): boolean {
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return options.some((option) => /^--inspect(-brk|-wait)?(=|$)/.test(option));
}
