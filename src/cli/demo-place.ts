/**
 * The folder of the demo, and what a start has made there, so that one that fails takes it back.
 *
 *   DIR/origin.img     the live volume                 DIR/state     what the daemon remembers
 *   DIR/cow            COW files of its snapshots      DIR/*.sock    where NBD clients and commands connect
 *
 * A later start goes on with what it finds. So nothing may stay behind that it could not go on with.
 */
import { existsSync, mkdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemError } from "../device/system-error.ts";
import { type DemoOrigin, ensureDemoOrigin } from "./demo-origin.ts";

export interface DemoPlace extends DemoOrigin {
  readonly origin: string;
  readonly sizeBytes: number;
  readonly state: string;
  readonly pool: string;
  /** Nothing came of it: what this start has made goes. */
  takeBack(): void;
}

/** `sizeBytes`: of an origin that is made. Throws a SnapringError; then nothing was made. */
export function makeDemoPlace(directory: string, sizeBytes: number): DemoPlace {
  const top = makeFolder(directory);
  const [origin, state, pool] = ["origin.img", "state", "cow"].map((name) => join(directory, name)) as Three;
  const hadState = existsSync(state);
  let topOfPool: string | undefined;
  let made: DemoOrigin | undefined;
  const takeBack = (): void => {
    if (!hadState) rmSync(state, { recursive: true, force: true });
    if (made?.isNew === true) rmSync(origin, { force: true });
    removeFolders(pool, top ?? topOfPool);
  };
  try {
    topOfPool = makeFolder(pool);
    made = ensureDemoOrigin(origin, sizeBytes);
    return { ...made, origin, sizeBytes: statSync(origin).size, state, pool, takeBack };
  } catch (error) {
    takeBack();
    throw error;
  }
}

type Three = [string, string, string];

/** The uppermost folder that had to be made; undefined: all were there. */
function makeFolder(directory: string): string | undefined {
  try {
    // Whatever the umask: nobody else puts an image or a socket there.
    return mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `cannot make the folder ${directory}`);
  }
}

/** From the lowest up to `top`, as far as they are empty: somebody may have put something into them. */
function removeFolders(directory: string, top: string | undefined): void {
  if (top === undefined) return;
  for (let folder = directory; folder.startsWith(top); folder = dirname(folder)) {
    try {
      rmdirSync(folder);
    } catch {
      return;
    }
  }
}
