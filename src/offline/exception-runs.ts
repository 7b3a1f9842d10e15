/**
 * Exceptions in list order, with runs folded: neighbours that are consecutive in both old and new chunk become one.
 */
import type { Chunk } from "../base/units.ts";
import type { ExceptionSink } from "../core/store-loader.ts";

export interface ExceptionRun {
  readonly oldChunk: Chunk;
  readonly newChunk: Chunk;
  readonly count: number;
}

/** `sink` takes the exceptions; `end` delivers the run that is still open. */
export function foldRuns(deliver: (run: ExceptionRun) => void): { readonly sink: ExceptionSink; end(): void } {
  let oldChunk = 0;
  let newChunk = 0;
  let count = 0;
  const end = (): void => {
    if (count > 0) deliver({ oldChunk, newChunk, count });
    count = 0;
  };
  return {
    sink: (old, fresh) => {
      if (count > 0 && old === oldChunk + count && fresh === newChunk + count) {
        count++;
        return;
      }
      end();
      oldChunk = old;
      newChunk = fresh;
      count = 1;
    },
    end,
  };
}
