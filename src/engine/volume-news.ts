/**
 * What there is to tell of a volume's snapshots, and to whom: a line in the log, then an event for the program.
 *
 *   core's notice, level, growth ──▶ the snapshot's name, the words ──▶ log
 *                                                                 └──▶ `snapshot` event
 *
 * A drop that was asked for is told as that, and not as a failure; that of a snapshot whose creation fails is not told. Progress of a merge is for programs only. Runs on main, outside of the core's
 * events: a listener may give orders.
 */
import { errnoName } from "../base/errno.ts";
import type { NoticeKind } from "../core/ports.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { guarded } from "./user-callback.ts";
import { type GrowthDetails, growthWords, type LevelDetails, levelWords, noticeWords } from "./volume-events.ts";
import type { PlainDetails, SnapshotDetails, VolumeEvents } from "./volume-events.ts";

export interface NewsParts {
  readonly at: (index: number) => SnapshotHandle | undefined;
  readonly log: (line: string) => void;
  readonly emit: (...event: VolumeEvents["snapshot"]) => void;
}

export class VolumeNews {
  readonly #parts: NewsParts;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  notice(index: number, notice: NoticeKind, error: number): void {
    const handle = this.#parts.at(index);
    const event = handle === undefined ? notice : handle.eventOf(notice, error);
    if (event !== undefined) this.#plain(index, event, error);
  }

  level(index: number, level: Omit<LevelDetails, "event">): void {
    this.#tell(index, levelWords(level), 0, { event: "level", ...level });
  }

  grown(index: number, growth: Omit<GrowthDetails, "event">): void {
    this.#tell(index, growthWords(growth), 0, { event: "grown", ...growth });
  }

  growFailed(index: number, error: number): void {
    this.#plain(index, "grow-failed", error);
  }

  #plain(index: number, event: PlainDetails["event"], error: number): void {
    this.#tell(index, event === "merge-progress" ? undefined : noticeWords(event, error), error, { event });
  }

  #tell(index: number, words: string | undefined, error: number, details: SnapshotDetails): void {
    const { at, log, emit } = this.#parts;
    const name = at(index)?.name ?? `snapshot ${index}`;
    if (words !== undefined) log(`${name}: ${words}`);
    guarded(() => emit(name, details.event, error === 0 ? "" : errnoName(error), details))();
  }
}
