/**
 * The daemon's log: one line for each fact, with a level and what it is about, for people or for programs.
 *
 *   fact ─▶ level ─▶ repeats itself? (repeats.ts) ─▶ pino: a line of JSON ─┬─ json ─▶ written as it is
 *                                                                          └─ text ─▶ TIME LEVEL VOLUME@SNAPSHOT: what happened
 *                                                                                     <N>VOLUME@SNAPSHOT: …, where journald reads
 *
 * It never throws, for it is called from the midst of everybody's work: a line that cannot be made, or that `write` refuses, is dropped and counted. Where
 * the lines go, and that this never blocks, is `write`'s affair (cli/live-output.ts). Names and errors come from elsewhere: a line is
 * one line, and safe to show in a terminal (base/printable.ts). Runs on main.
 */
import { fstatSync } from "node:fs";
import { pino, stdTimeFunctions, type Logger } from "pino";
import { printable, printableLine } from "../base/printable.ts";
import { errorFields } from "./error-fields.ts";
import { Repeats } from "./repeats.ts";

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Syslog's numbers, which journald reads at the beginning of a line (sd-daemon(3)). */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** What a line is about. Further fields are plain values. */
export interface LogFields {
  readonly volume?: string | undefined;
  readonly snapshot?: string | undefined;
  /** What went wrong: its code, message and cause are told. */
  readonly error?: unknown;
  readonly [name: string]: unknown;
}

export interface LogOptions {
  readonly format: LogFormat;
  /** Lines of lower levels are left out. */
  readonly level: LogLevel;
  /** Takes whole lines, with their end. */
  readonly write: (text: string) => void;
  /** journald reads the lines (`isJournal`): it has the time, and wants the level as a number. */
  readonly journal: boolean;
}

export class DaemonLog {
  readonly #logger: Logger;
  readonly #repeats = new Repeats();
  #dropped = 0;

  constructor({ format, level, write, journal }: LogOptions) {
    const show = format === "json" ? printable : (line: string): string => textLine(line, journal);
    const options = {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    };
    this.#logger = pino(options, { write: (line: string) => write(show(line)) });
  }

  /** Lines that could not be made or written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Something has failed, and somebody has to look. */
  error(line: string, fields: LogFields = {}): void {
    this.#take("error", line, fields);
  }

  /** It goes on, but something is not as it should be. */
  warn(line: string, fields: LogFields = {}): void {
    this.#take("warn", line, fields);
  }

  /** A change of state that an operator wants to find later. */
  info(line: string, fields: LogFields = {}): void {
    this.#take("info", line, fields);
  }

  /** What only a search for a fault needs. */
  debug(line: string, fields: LogFields = {}): void {
    this.#take("debug", line, fields);
  }

  /** A function for the library's `log`, whose lines are about the same thing. */
  lines(level: LogLevel, fields: LogFields): (line: string) => void {
    return (line) => this.#take(level, line, fields);
  }

  /** What was held back is told. */
  close(): void {
    this.#repeats.close();
  }

  #take(level: LogLevel, line: string, fields: LogFields): void {
    try {
      if (!this.#logger.isLevelEnabled(level)) return;
      const told = fieldsOf(fields);
      const more = (count: number): void => this.#write(level, `${line} (${count} more times)`, told);
      if (this.#repeats.take(`${level} ${line} ${JSON.stringify(told)}`, more)) this.#write(level, line, told);
    } catch {
      this.#dropped += 1;
    }
  }

  #write(level: LogLevel, line: string, fields: object): void {
    try {
      this.#logger[level](fields, line);
    } catch {
      this.#dropped += 1;
    }
  }
}

/** Whether descriptor `fd` leads to journald: it names the stream that it has given to this unit. */
export function isJournal({ JOURNAL_STREAM: stream }: NodeJS.ProcessEnv, fd: number): boolean {
  try {
    const { dev, ino } = fstatSync(fd);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** A plain object that is ours. */
function fieldsOf({ error, ...others }: LogFields): Record<string, unknown> {
  return error === undefined ? others : { ...others, error: errorFields(error) };
}

/** Of a line of JSON that pino has made. */
function textLine(json: string, journal: boolean): string {
  const { level, time, msg, volume, snapshot, error, ...others } = JSON.parse(json) as {
    readonly level: LogLevel;
    readonly time: string;
    readonly msg: string;
    readonly volume?: string;
    readonly snapshot?: string;
    readonly error?: { readonly message: string };
  };
  const head = journal ? `<${PRIORITIES[level]}>` : `${time} ${level} `;
  const about = volume === undefined ? "" : `${snapshot === undefined ? volume : `${volume}@${snapshot}`}: `;
  const values = Object.entries(others).map(([name, value]) => ` ${name}=${valueText(value)}`);
  const why = error === undefined ? "" : `: ${error.message}`;
  return `${printableLine(`${head}${about}${msg}${why}${values.join("")}`)}\n`;
}

/** As it is, where nobody could take it for something else. */
function valueText(value: unknown): string {
  return typeof value === "string" && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
