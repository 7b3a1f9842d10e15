/**
 * What surrounds the daemon as a process: who has started it, and hears how it goes.
 *
 *   log           lines on standard error, for people, journald or programs
 *   systemd       ready, a line of life, a sign of life, stopping (daemon/service-manager.ts); sockets that it has bound
 *   pid file      where there is no systemd
 *   SIGHUP        the sizes that COW devices have now are taken over
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { DaemonLog, isJournal, type LogFormat, type LogLevel } from "../daemon/log.ts";
import type { Daemon } from "../daemon/daemon.ts";
import { eventLine } from "../daemon/event-words.ts";
import { inheritedSockets } from "../daemon/inherited-sockets.ts";
import { ServiceManager } from "../daemon/service-manager.ts";
import { systemError } from "../device/system-error.ts";
import { hear } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

const STDERR = 2;
const LIFE_MS = 10_000;
const RELOAD_MS = 30_000;
/** What a start, or a close, that goes on may still take. */
const EXTEND_US = 30_000_000;

export interface SurroundingsOptions {
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly pidFile?: string | undefined;
}

export interface Sockets {
  readonly control: number | undefined;
  readonly nbd: readonly number[];
}

export class DaemonSurroundings {
  readonly log: DaemonLog;
  readonly sockets: Sockets;
  readonly #manager: ServiceManager;
  readonly #pidFile: string | undefined;
  readonly #ends: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(terminal: Terminal, { logFormat, logLevel, pidFile }: SurroundingsOptions) {
    const journal = isJournal(process.env, STDERR);
    this.log = new DaemonLog({ format: logFormat, level: logLevel, journal, write: (text) => terminal.err(text) });
    this.#manager = new ServiceManager({ env: process.env, log: (line) => this.log.warn(line) });
    const inherited = inheritedSockets(process.env);
    for (const { fd, name } of inherited)
      if (name !== "control" && name !== "nbd")
        this.log.warn(`inherited socket ${fd} is named '${name}', neither control nor nbd: not used`);
    this.sockets = {
      control: inherited.find(({ name }) => name === "control")?.fd,
      nbd: inherited.filter(({ name }) => name === "nbd").map(({ fd }) => fd),
    };
    this.#pidFile = pidFile;
    // A start that takes long asks for more time, until it is ready.
    this.#timer = setInterval(() => this.#manager.extend(EXTEND_US), LIFE_MS);
    this.#timer.unref();
  }

  /** The daemon's state is ours. Throws a SnapringError: the pid file cannot be written. */
  writePid(): void {
    if (this.#pidFile !== undefined) writePid(this.#pidFile);
  }

  /** Its events are lines of the log from here on. */
  watch(daemon: Daemon): void {
    this.#ends.push(
      daemon.journal.listen((event) => {
        const said = eventLine(event);
        if (said !== undefined) this.log[said.level](said.line, { volume: event.volume, snapshot: event.snapshot });
      }),
    );
  }

  /** Clients are served. */
  ready(daemon: Daemon): void {
    const line = lineOfLife(daemon);
    this.log.info(`ready: ${line}`);
    this.#manager.ready(line);
    this.#manager.watch(() => daemon.engine.failure === undefined);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#manager.status(lineOfLife(daemon)), LIFE_MS);
    this.#timer.unref();
    this.#ends.push(hear("SIGHUP", () => void this.#reload(daemon)));
  }

  stopping(): void {
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#manager.stopping();
    this.#timer = setInterval(() => this.#manager.extend(EXTEND_US), LIFE_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const end of this.#ends) end();
    this.#manager.close();
    this.log.close();
    if (this.#pidFile !== undefined && isOurPid(this.#pidFile)) rmSync(this.#pidFile, { force: true });
  }

  /** Side by side: a device that hangs is waited for no longer than RELOAD_MS, and goes on by itself. */
  async #reload(daemon: Daemon): Promise<void> {
    this.#manager.reloading();
    const all = daemon.volumes.all.flatMap(({ name: volume, opened }) =>
      (opened?.exports ?? []).slice(1).map(async ({ name: snapshot }) => {
        await opened
          ?.growSnapshot(snapshot)
          .catch((error: unknown) => this.log.warn("its new size is not taken over", { volume, snapshot, error }));
      }),
    );
    await Promise.race([Promise.allSettled(all), setTimeout(RELOAD_MS, undefined, { ref: false })]);
    if (!this.#isStopping) this.#manager.ready(lineOfLife(daemon));
  }
}

function lineOfLife(daemon: Daemon): string {
  const { volumes, operations } = daemon.status();
  const counts = Object.entries(volumes).map(([state, count]) => `${count} ${state}`);
  const { connections } = daemon.engine.stats().clients;
  const all = counts.length === 0 ? "no volumes yet" : `volumes: ${counts.join(", ")}`;
  return `${all}; ${connections} clients, ${operations} operations under way`;
}

/** Another's is left: a second daemon may have been refused here, or this file was given to another one since. */
function isOurPid(path: string): boolean {
  try {
    return readFileSync(path, "utf8").trim() === String(process.pid);
  } catch {
    return false;
  }
}

function writePid(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw systemError(error, `cannot write the pid file ${path}`);
  }
}
