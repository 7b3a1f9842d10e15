/**
 * The journal of events: who comes back with the last id that he has seen misses nothing, over restarts, too.
 *
 *   add ─▶ a number ─▶ … written and flushed, many at a time ─▶ told to who listens       what was told is in the journal
 *   DIR/events.0.jsonl, events.1.jsonl    a line for each event; where one file is full the other begins anew, so the last SEGMENT…2·SEGMENT are there
 *
 * Where it cannot be written (a full disk) events are told all the same, kept in memory, and written when there is room again. A process that is killed loses what it has not told. A line that was cut by a crash is the
 * last one, and was told to nobody.
 *
 * Runs on main; node's helpers write.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DaemonEvent, DaemonEventBody, DaemonEventType } from "./daemon-event.ts";

const SEGMENT = 5000;

export type Listener = (event: DaemonEvent) => void;

export class Journal {
  readonly #folder: string;
  /** All that is kept, in order. */
  readonly #kept: DaemonEvent[] = [];
  readonly #listeners = new Set<Listener>();
  /** Not yet told. */
  #waiting: DaemonEvent[] = [];
  /** Told, and not in the file: it had no room. */
  #unwritten: DaemonEvent[] = [];
  /** The file ends in the middle of a line. */
  #isCut = false;
  #writing: Promise<void> | undefined;
  #nextId = 1;
  #segment = 0;
  #inSegment = 0;
  #file: FileHandle | undefined;
  #fault: Error | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what is there; what cannot be understood of it is passed over. Throws what the file system does. */
  static async open(folder: string): Promise<Journal> {
    const journal = new Journal(folder);
    await journal.#read();
    return journal;
  }

  /** Id of the last event; 0: there was none. */
  get lastId(): number {
    return this.#nextId - 1;
  }

  /** Why it cannot be written just now. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  add(body: DaemonEventBody): DaemonEvent {
    const event: DaemonEvent = { id: this.#nextId, time: new Date().toISOString(), ...body };
    this.#nextId += 1;
    this.#waiting.push(event);
    this.#writing ??= this.#write();
    return event;
  }

  /** Resolves when all that was added has been written, or cannot be, and told. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Events behind `after`, which were told before. The first is a `gap` where some that were behind it are gone. */
  since(after: number): readonly DaemonEvent[] {
    const behind = this.#kept.filter(({ id }) => id > after);
    const first = behind.at(0)?.id ?? this.#kept.at(-1)?.id ?? after;
    // An id that was never given is of another journal.
    const isLost = after > this.lastId || (behind.length > 0 ? first > after + 1 : after < first);
    if (!isLost) return behind;
    const to = behind.at(0)?.id ?? this.#nextId;
    const gap: DaemonEvent = {
      id: Math.max(0, to - 1),
      time: new Date().toISOString(),
      type: "gap",
      data: { after, next: to },
    };
    return [gap, ...(after > this.lastId ? this.#kept : behind)];
  }

  /** Each event from now on, when it is in the journal. Ends with what it returns. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last one that is about what happened under this mark, if it is still there. */
  find(isIt: (event: DaemonEvent) => boolean): DaemonEvent | undefined {
    // Also what is just being written.
    return this.#waiting.findLast(isIt) ?? this.#unwritten.findLast(isIt) ?? this.#kept.findLast(isIt);
  }

  /** It was told under this mark, or will be when it has been written. */
  has(type: DaemonEventType, key: "creation" | "operation", mark: string): boolean {
    return this.find((event) => event.type === type && event.data?.[key] === mark) !== undefined;
  }

  /** What was told at this time is still there. */
  reaches(time: string): boolean {
    const first = this.#kept.at(0);
    return first !== undefined && (first.id === 1 || first.time <= time);
  }

  async close(): Promise<void> {
    await this.settled();
    this.#listeners.clear();
    await this.#file?.close();
  }

  async #read(): Promise<void> {
    const read = await Promise.all(
      [0, 1].map(async (segment) => ({ segment, ...(await readSegment(this.#path(segment))) })),
    );
    read.sort((a, b) => (a.events.at(-1)?.id ?? 0) - (b.events.at(-1)?.id ?? 0));
    for (const { events } of read) for (const event of events) if (event.id > this.lastKept) this.#kept.push(event);
    this.#nextId = this.lastKept + 1;
    const last = read[1];
    this.#segment = last.segment;
    this.#inSegment = last.events.length;
    this.#isCut = !last.isWhole;
  }

  private get lastKept(): number {
    return this.#kept.at(-1)?.id ?? 0;
  }

  async #write(): Promise<void> {
    // All that is added in this turn goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#unwritten.push(...batch);
      try {
        await this.#append(this.#unwritten);
        this.#unwritten = [];
        this.#fault = undefined;
      } catch (error) {
        this.#fault = error as Error;
        this.#isCut = true;
        this.#unwritten.splice(0, this.#unwritten.length - SEGMENT);
      }
      this.#kept.push(...batch);
      this.#forget();
      for (const event of batch) for (const listener of this.#listeners) listener(event);
    }
    this.#writing = undefined;
  }

  async #append(batch: readonly DaemonEvent[]): Promise<void> {
    const file = this.#inSegment < SEGMENT && this.#file !== undefined ? this.#file : await this.#begin();
    const lines = batch.map((event) => `${JSON.stringify(event)}\n`).join("");
    await file.appendFile(this.#isCut ? `\n${lines}` : lines);
    await file.datasync();
    this.#isCut = false;
    this.#inSegment += batch.length;
  }

  /** Goes on with the segment, or begins the other one. */
  async #begin(): Promise<FileHandle> {
    const isFull = this.#inSegment >= SEGMENT;
    const segment = isFull ? 1 - this.#segment : this.#segment;
    const { O_WRONLY, O_CREAT, O_APPEND, O_TRUNC } = constants;
    const file = await open(this.#path(segment), O_WRONLY | O_CREAT | O_APPEND | (isFull ? O_TRUNC : 0), 0o600);
    await this.#file?.close();
    this.#file = file;
    if (isFull) this.#inSegment = 0;
    this.#segment = segment;
    return file;
  }

  #forget(): void {
    const over = this.#kept.length - 2 * SEGMENT;
    if (over > SEGMENT) this.#kept.splice(0, over);
  }

  #path(segment: number): string {
    return join(this.#folder, `events.${segment}.jsonl`);
  }
}

async function readSegment(path: string): Promise<{ events: DaemonEvent[]; isWhole: boolean }> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n");
  const tail = lines.pop() ?? "";
  const events = lines.map(parse).filter((event) => event !== undefined);
  return { events, isWhole: tail === "" && events.length === lines.length };
}

function parse(line: string): DaemonEvent | undefined {
  try {
    const value = JSON.parse(line) as DaemonEvent;
    return Number.isSafeInteger(value.id) && typeof value.type === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
