/**
 * Where the register of an origin stands, and which inode carries the mark that leads there.
 *
 *   a file                   FILE.snapshots                              the file
 *   a whole loop device      as for its file                             its file
 *   a part of one            FILE@OFFSET.snapshots                       none: the file may have several parts
 *   another block device     /var/lib/snapring/NAME.snapshots            none: device nodes carry no attributes
 *
 * NAME is the best of its lasting names; where it has none, the number of this boot, which may be another device's at the next: then only
 * the identity in the register tells (identity.ts).
 */
import { accessSync, constants, existsSync, fstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { deviceFacts } from "../device/device-facts.ts";
import { lastingNames } from "../device/lasting-path.ts";
import { systemError } from "../device/system-error.ts";
import { type BackingFile, backingFile } from "../device/loop-device.ts";
import { identityOf } from "./identity.ts";
import type { RegisteredOrigin } from "./register-text.ts";

const BLOCK_DEVICE_FOLDER = "/var/lib/snapring";

export interface RegisterPlace {
  readonly path: string;
  readonly origin: RegisteredOrigin;
  /** The file to be marked, if any, and its descriptor where it is the origin itself: its path may lead elsewhere by now. -1: none. */
  readonly markable: string | undefined;
  readonly fd: number;
  /** The user to whom the origin belongs, a loop device as its file does. */
  readonly owner: number;
  /** Registers of origins that share bytes with this one, and are there, or may be. */
  readonly overlapping: readonly string[];
}

/** Whoever serves this origin can write its register; where that is not known it is to be taken for granted. */
export function canKeepRegister(path: string): boolean {
  try {
    const real = realpathSync(path);
    if (!statSync(real).isBlockDevice()) accessSync(dirname(real), constants.W_OK);
    return true;
  } catch (error) {
    return !["EROFS", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

export interface OpenOrigin {
  readonly fd: number;
  readonly path: string;
  readonly sizeBytes: number;
}

/** Of an origin that is open. Throws a SnapringError, or a system error where the path is gone. */
export function registerPlace({ fd, path, sizeBytes }: OpenOrigin): RegisterPlace {
  const real = realpathSync(path);
  const identity = identityOf(fd, real);
  const { kind, number } = deviceFacts(fd);
  const backing = kind === "block" ? backingFile(number) : undefined;
  if (backing !== undefined && existsSync(backing.path)) {
    const file = realpathSync(backing.path);
    const origin = { path: pathOfPart(file, backing), identity, bytes: sizeBytes };
    const whole = backing.isWhole ? [] : [`${file}.snapshots`];
    const overlapping = [...whole, ...partsOf(file)].filter((path) => path !== `${origin.path}.snapshots`);
    const markable = backing.isWhole ? file : undefined;
    return { path: `${origin.path}.snapshots`, origin, markable, fd: -1, owner: statSync(file).uid, overlapping };
  }
  const origin = { path: real, identity, bytes: sizeBytes };
  const owner = fstatSync(fd).uid;
  if (kind === "block")
    return {
      path: blockRegister(real, lastingNames(real)),
      origin,
      markable: undefined,
      fd: -1,
      owner,
      overlapping: [],
    };
  return { path: `${real}.snapshots`, origin, markable: real, fd, owner, overlapping: partsOf(real) };
}

/** Below the best name of the device, or another of its names that it was registered by. */
export function blockRegister(real: string, names: readonly string[], folder: string = BLOCK_DEVICE_FOLDER): string {
  const paths = (names.length > 0 ? names : [basename(real)]).map((name) => join(folder, `${name}.snapshots`));
  return paths.find((path) => existsSync(path)) ?? paths[0];
}

/** Registers of parts of a file that were served by loop devices. */
function partsOf(file: string): readonly string[] {
  const folder = dirname(file);
  const start = `${basename(file)}@`;
  const names = namesIn(folder, file).filter(
    (name) => name.startsWith(start) && /^\d+\.snapshots$/.test(name.slice(start.length)),
  );
  return names.map((name) => join(folder, name));
}

function namesIn(folder: string, file: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw systemError(error, `cannot look for registers of parts of ${file} in ${folder}`);
  }
}

function pathOfPart(file: string, { isWhole, offsetBytes }: BackingFile): string {
  return isWhole ? file : `${file}@${offsetBytes}`;
}
