/**
 * A file that was put somewhere, and is to go again: only it goes, not what another one has put in its place by then.
 *
 * As long as whoever has put it there has it open, its number is nobody else's.
 */
import { lstatSync, rmSync } from "node:fs";

export interface PlacedFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

/** What stands there now; undefined: nothing. */
export function placedFile(path: string): PlacedFile | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { path, device: stat.dev, inode: stat.ino };
}

function isSamePlaced(file: PlacedFile, other: PlacedFile | undefined): boolean {
  return other !== undefined && file.device === other.device && file.inode === other.inode;
}

/** Nothing happens where it is gone, or another one stands there. */
export function removePlaced(file: PlacedFile): void {
  if (isSamePlaced(file, placedFile(file.path))) rmSync(file.path, { force: true });
}
