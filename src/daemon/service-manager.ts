/**
 * What systemd, or another service manager that knows sd_notify(3), is told about the daemon: a datagram each to the socket that it has named.
 *
 *   start ─▶ ready ─▶ status, status, … ─▶ reloading ─▶ ready ─▶ … ─▶ stopping ─▶ extend, while there is still work
 *              └▶ WATCHDOG=1 twice in each interval, as long as `isAlive` says so
 *
 * The environment says whether there is one; it is taken out of it, so that no child takes it for its own. Without one nothing happens. A word about the
 * daemon's state that the manager cannot take just now (its queue is full) is sent again until it can, in order; a line of status or a sign of life
 * is not, for the next one comes. Nothing here throws or waits. Only the addon can send a datagram: without it, a line in the log says so, and the
 * manager waits in vain (Type=notify). Runs on main: when that stands still, no sign of life is given, which is what the watchdog is for.
 */
import { errno, errnoName } from "../base/errno.ts";
import { printableLine } from "../base/printable.ts";
import { loadNative } from "../device/native.ts";

const STATUS_CHARACTERS_MAX = 500;
const AGAIN_MS = 100;
/** What a timer of node takes. */
const TIMER_MS_MAX: number = 2 ** 31 - 1;

export interface ServiceManagerOptions {
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are taken out of it. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  /** One datagram: 0 or -errno, or a sentence that says why there is no way to send one. */
  readonly send?: ((path: string, text: string) => number | string) | undefined;
}

export class ServiceManager {
  readonly #path: string | undefined;
  readonly #watchdogMs: number | undefined;
  readonly #log: (line: string) => void;
  readonly #send: (path: string, text: string) => number | string;
  /** Words about the state that were not taken yet. */
  readonly #waiting: string[] = [];
  #again: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  /** That it cannot be told is told once. */
  #said: string | undefined;

  constructor({ env, log, send = sendNative }: ServiceManagerOptions) {
    this.#log = log;
    this.#send = send;
    const { NOTIFY_SOCKET: path, WATCHDOG_USEC: interval, WATCHDOG_PID: pid } = env;
    for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
    if (path === undefined || path === "") return;
    if (/^[/@]./.test(path)) this.#path = path;
    else this.#fails(`its address '${path}' is neither a path nor an abstract name`);
    if (pid === undefined || Number(pid) === process.pid) this.#watchdogMs = halfOf(interval);
  }

  /** There is one that wants to be told. */
  get isThere(): boolean {
    return this.#path !== undefined;
  }

  /** Everything is served, also again after `reloading`. */
  ready(status: string): void {
    this.#tell(`READY=1\n${statusLine(status)}`);
  }

  /** One line for people: `systemctl status` shows it. */
  status(line: string): void {
    this.#offer(statusLine(line));
  }

  /** Until `ready`. */
  reloading(): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds()}`);
  }

  /** The end has begun: no sign of life is asked for any more. */
  stopping(): void {
    this.#tell("STOPPING=1\nSTATUS=stopping");
  }

  /** A start or an end takes longer: so many microseconds from now on, whatever the unit says. */
  extend(microseconds: number): void {
    this.#offer(`EXTEND_TIMEOUT_USEC=${Math.ceil(microseconds)}`);
  }

  /** A sign of life, from now on until `close`, whenever `isAlive` says so. What that throws is a no. */
  watch(isAlive: () => boolean): void {
    if (this.#watchdogMs === undefined || this.#watchdog !== undefined) return;
    this.#watchdog = setInterval(() => {
      if (holds(isAlive)) this.#offer("WATCHDOG=1");
    }, this.#watchdogMs);
    this.#watchdog.unref();
  }

  /** Nothing is sent any more. */
  close(): void {
    clearInterval(this.#watchdog);
    clearTimeout(this.#again);
    this.#waiting.length = 0;
  }

  /** Sent, if that is possible now. */
  #offer(text: string): void {
    if (this.#path !== undefined && this.#waiting.length === 0) this.#heard(this.#send(this.#path, text));
  }

  /** Sent for certain. */
  #tell(text: string): void {
    if (this.#path === undefined) return;
    this.#waiting.push(text);
    if (this.#again === undefined) this.#empty(this.#path);
  }

  #empty(path: string): void {
    this.#again = undefined;
    while (this.#waiting.length > 0) {
      const answer = this.#send(path, this.#waiting[0]);
      if (answer === -errno.EAGAIN || answer === -errno.ENOBUFS) {
        this.#again = setTimeout(() => this.#empty(path), AGAIN_MS);
        this.#again.unref();
        return;
      }
      this.#waiting.shift();
      this.#heard(answer);
    }
  }

  #heard(answer: number | string): void {
    if (typeof answer === "string") this.#fails(answer);
    else if (answer === 0) this.#said = undefined;
    else if (answer !== -errno.EAGAIN) this.#fails(errnoName(answer));
  }

  #fails(why: string): void {
    if (this.#said === why) return;
    this.#said = why;
    this.#log(`the service manager (systemd) cannot be told how it goes: ${why}`);
  }
}

function sendNative(path: string, text: string): number | string {
  const { native, reason } = loadNative();
  return native?.notifySocket(path, text) ?? reason ?? "";
}

function statusLine(text: string): string {
  return `STATUS=${printableLine(text).slice(0, STATUS_CHARACTERS_MAX)}`;
}

/** In milliseconds, of a text that says microseconds. */
function halfOf(interval: string | undefined): number | undefined {
  const microseconds = Number(interval ?? Number.NaN);
  if (!(microseconds > 0)) return undefined;
  return Math.min(Math.max(1, Math.floor(microseconds / 2000)), TIMER_MS_MAX);
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false;
  }
}

/** Of CLOCK_MONOTONIC, which is node's high resolution clock as well. */
function monotonicMicroseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000_000 + Math.floor(nanoseconds / 1000);
}
