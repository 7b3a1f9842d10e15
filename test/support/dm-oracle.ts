/**
 * The real kernel's dm-snapshot, run on image files in User-Mode Linux by `test/kernel/oracle/dm-oracle`.
 *
 * It needs the Debian packages user-mode-linux, busybox-static, dmsetup, gcc, libc6-dev, procps and python3. Where they are
 * missing, a test that calls `requireOracle` is skipped, aloud; with SNAPRING_CI=1 it fails instead. One run takes about a second.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { TestContext } from "vitest";
import { runOk } from "./run-command.ts";

const TOOL = join(import.meta.dirname, "../kernel/oracle/dm-oracle");
const COMMANDS = ["linux.uml", "busybox", "dmsetup", "gcc", "pgrep", "python3"];

export interface OracleRead {
  readonly guest: string;
  readonly ok: boolean;
  readonly load_errno?: number | string;
  readonly status?: string;
  readonly view_sha256?: string;
  readonly view_errno?: string;
  readonly dmesg: readonly string[];
}

export interface OracleMerge {
  readonly guest: string;
  readonly why?: string;
  readonly initial_status?: string;
  readonly status?: string;
  readonly origin_sha256: string;
  readonly cow_sha256: string;
}

export interface OracleCreate {
  readonly guest: string;
  readonly origin_sha256: string;
  /** What the operations answered, in order: a `status` is one for each snapshot. */
  readonly ops: readonly { readonly op: string; readonly errno: number | string; readonly text?: string }[];
  readonly snapshots: readonly {
    readonly status: string;
    readonly view_sha256?: string;
    readonly view_errno?: string;
    readonly cow_sha256: string;
  }[];
}

/** Paths of an origin and a COW image. */
export type Pair = readonly [origin: string, cow: string];

/** Programs that are missing here. */
export function missingForOracle(): readonly string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return COMMANDS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
}

/** Skip the test, saying why, where the kernel cannot be run; fail where nothing may be left out. */
export function requireOracle(context: TestContext): void {
  const missing = missingForOracle();
  if (missing.length === 0) return;
  const message = `the real kernel cannot be run here: ${missing.join(", ")} not found`;
  if (process.env["SNAPRING_CI"] === "1") throw new Error(message);
  context.skip(message);
}

/** Image files of one test, in a folder of their own that goes away with it. */
export class OracleImages {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "snapring-oracle-"));

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  put(name: string, bytes: Uint8Array): string {
    const path = join(this.#folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  get(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.#folder, name)));
  }

  /** Activate a COW image and read its whole view. */
  async read(origin: string, cow: string): Promise<OracleRead> {
    return JSON.parse(await runOk(TOOL, "read", origin, cow)) as OracleRead;
  }

  /** Merge a COW image into the origin; both files change. */
  async merge(origin: string, cow: string): Promise<OracleMerge> {
    return JSON.parse(await runOk(TOOL, "merge", origin, cow)) as OracleMerge;
  }

  /** Several pairs of origin and COW image, in one guest: it boots longer than it reads. */
  async readAll(pairs: readonly Pair[]): Promise<readonly OracleRead[]> {
    return JSON.parse(await runOk(TOOL, "reads", ...pairs.flat())) as OracleRead[];
  }

  async mergeAll(pairs: readonly Pair[]): Promise<readonly OracleMerge[]> {
    return JSON.parse(await runOk(TOOL, "merges", ...pairs.flat())) as OracleMerge[];
  }

  /** Make snapshots of an origin and run an operation list. */
  async create(origin: string, cows: readonly string[], chunks: readonly number[], ops: string): Promise<OracleCreate> {
    const list = this.put("ops.txt", Buffer.from(ops));
    return JSON.parse(
      await runOk(TOOL, "create", origin, ...cows, "--chunk", chunks.join(","), "--ops", list),
    ) as OracleCreate;
  }
}
