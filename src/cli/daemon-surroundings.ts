/**
 * What surrounds the daemon as a process: who has started it, and hears how it goes.
 *
 *   log           lines on standard error, for people, journald or programs
 *   systemd       ready, a line of life, a sign of life, stopping (daemon/service-manager.ts); sockets that it has bound
 *   pid file      where there is no systemd
 *   SIGHUP        the sizes that COW devices have now are taken over
 */
import { rmSync, writeFileSync } from "node:fs";
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
/** What a close that goes on may still take. */
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

  /** Throws a SnapringError: the pid file cannot be written. */
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
    if (pidFile !== undefined) writePid(pidFile);
    this.#pidFile = pidFile;
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
    this.#timer = setInterval(() => this.#manager.status(lineOfLife(daemon)), LIFE_MS);
    this.#timer.unref();
    this.#ends.push(hear("SIGHUP", () => void this.#reload(daemon)));
  }

  stopping(): void {
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
    if (this.#pidFile !== undefined) rmSync(this.#pidFile, { force: true });
  }

  async #reload(daemon: Daemon): Promise<void> {
    this.#manager.reloading();
    for (const { volume, name } of daemon.snapshots.list()) {
      const opened = daemon.volumes.get(volume).opened;
      await opened
        ?.growSnapshot(name)
        .catch((error: unknown) => this.log.warn("its new size is not taken over", { volume, snapshot: name, error }));
    }
    this.#manager.ready(lineOfLife(daemon));
  }
}

function lineOfLife(daemon: Daemon): string {
  const { volumes, operations } = daemon.status();
  const counts = Object.entries(volumes).map(([state, count]) => `${count} ${state}`);
  const { connections } = daemon.engine.stats().clients;
  const all = counts.length === 0 ? "no volumes yet" : `volumes: ${counts.join(", ")}`;
  return `${all}; ${connections} clients, ${operations} operations under way`;
}

function writePid(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw systemError(error, `cannot write the pid file ${path}`);
  }
}
