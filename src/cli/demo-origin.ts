/**
 * The demo's live volume: a sparse file with something in it that one can recognise.
 *
 * A real ext4 with a few files where mkfs.ext4 is installed; else one line of text per sector. It is written in a folder that is ours
 * alone, beside its place, and gets its name when it is whole: an interrupted start leaves nothing that looks finished, and nothing that
 * is planted at a name is followed or overwritten.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { SECTOR_BYTES } from "../base/units.ts";
import { systemError } from "../device/system-error.ts";

/** How much of an origin without a file system is filled with text; the rest stays a hole. */
const TEXT_BYTES = 16 * 1024 * 1024;

const README = `This volume is the demo origin of snapring.
Write to it as you like: the snapshot "before" keeps what was here when it was made.
`;

export interface DemoOrigin {
  readonly isNew: boolean;
  readonly kind: "ext4" | "text";
}

/** Makes `path` if it is not there yet; says what it is. */
export function ensureDemoOrigin(path: string, sizeBytes: number): DemoOrigin {
  if (existsSync(path)) return { isNew: false, kind: holdsExt4(path) ? "ext4" : "text" };
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(dirname(path), `.${basename(path)}-`));
    const unfinished = join(folder, "image");
    const kind = makeImage(unfinished, sizeBytes, join(folder, "content"));
    nameImage(unfinished, path);
    return { isNew: true, kind };
  } catch (error) {
    throw systemError(error, `cannot make ${path}`);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function makeImage(path: string, sizeBytes: number, content: string): DemoOrigin["kind"] {
  const file = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(file, sizeBytes);
    const kind = makeExt4(path, content) ? "ext4" : "text";
    if (kind === "text") writeText(file, Math.min(TEXT_BYTES, sizeBytes));
    fsyncSync(file);
    return kind;
  } finally {
    closeSync(file);
  }
}

/** Unlike a rename, a link replaces nothing that has come there meanwhile. Where there are no links, a rename does. */
function nameImage(unfinished: string, path: string): void {
  try {
    linkSync(unfinished, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    renameSync(unfinished, path);
  }
}

/** The magic number of an ext file system, in its superblock. */
function holdsExt4(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const magic = Buffer.alloc(2);
    return readSync(file, magic, 0, 2, 1024 + 56) === 2 && magic.readUInt16LE() === 0xef53;
  } finally {
    closeSync(file);
  }
}

function makeExt4(image: string, content: string): boolean {
  mkdirSync(join(content, "documents"), { recursive: true });
  writeFileSync(join(content, "README.txt"), README);
  for (let i = 1; i <= 100; i++) {
    writeFileSync(join(content, "documents", `page-${i}.txt`), `page ${i} of the demo\n`.repeat(500));
  }
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/sbin:/usr/sbin` };
  const mkfs = spawnSync("mkfs.ext4", ["-q", "-F", "-L", "snapring-demo", "-d", content, image], {
    env,
    stdio: "ignore",
  });
  return mkfs.status === 0;
}

function writeText(file: number, lengthBytes: number): void {
  const sectorsPerWrite = 2048;
  for (let first = 0; first * SECTOR_BYTES < lengthBytes; first += sectorsPerWrite) {
    const lines = Array.from({ length: sectorsPerWrite }, (_, i) =>
      `snapring demo origin, sector ${first + i} `.padEnd(SECTOR_BYTES - 1, ".").concat("\n"),
    );
    writeSync(file, lines.join(""), first * SECTOR_BYTES);
  }
}
