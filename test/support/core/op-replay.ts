/**
 * Replays an operation list of the kernel oracle on a fake volume, and says what each operation answered.
 *
 * As the kernel does: requests run one at a time but for `parallel`, a reload closes everything and opens it again.
 */
import { errno, errnoName } from "../../../src/base/errno.ts";
import { EntryState } from "../../../src/base/states.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import { dataPattern } from "../data-pattern.ts";
import type { Op } from "./corpus.ts";
import {
  chunkPieces,
  originFlush,
  originRead,
  originWrite,
  snapshotFlush,
  snapshotRead,
  snapshotWrite,
} from "./fake-client.ts";
import type { FakeDisk } from "./fake-disk.ts";
import type { ClientSteps, FakeShell, FakeSnapshot, ShellOptions } from "./fake-shell.ts";
import { sha256, Volume, type CowSpec } from "./volume.ts";

export interface OpAnswer {
  readonly op: Op;
  /** Hash of what was read, or the name of the error, or the status texts. */
  readonly answer: string;
}

export interface ReplaySpec {
  readonly origin: FakeDisk;
  readonly cows: readonly CowSpec[];
  readonly features: readonly string[];
  readonly options: ShellOptions;
}

export class OpReplay {
  readonly #spec: ReplaySpec;
  readonly #active: number[];
  readonly #answers: OpAnswer[] = [];
  volume: Volume;

  constructor(spec: ReplaySpec, ops: readonly Op[]) {
    this.#spec = spec;
    const later = new Set(ops.filter((op) => op.verb === "snap-add").map((op) => op.snapshot));
    this.#active = spec.cows.map((_, i) => i).filter((i) => !later.has(i));
    this.volume = this.#openAll();
  }

  get active(): readonly number[] {
    return this.#active;
  }

  run(ops: readonly Op[]): readonly OpAnswer[] {
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i]!;
      if (op.verb !== "parallel") {
        this.#one(op);
        continue;
      }
      const group = ops.slice(i + 1, i + 1 + op.args[0]!);
      const requests = group.map((each) => this.volume.start(this.#steps(each)!));
      this.volume.settle(...requests);
      i += group.length;
    }
    return this.#answers;
  }

  close(): void {
    this.volume.close();
  }

  #one(op: Op): void {
    if (op.verb === "status") {
      this.#answers.push({ op, answer: this.#active.map((index) => this.volume.status(index)).join("; ") });
    } else if (op.verb === "reload") {
      this.close();
      this.volume = this.#openAll();
    } else if (op.verb === "snap-add") {
      this.volume.create(op.snapshot, this.#spec.cows[op.snapshot]!);
      this.#active.push(op.snapshot);
    } else if (op.verb.endsWith("-hash")) {
      this.#answers.push({ op, answer: this.volume.hash(op.verb === "origin-hash" ? "origin" : op.snapshot) });
    } else if (op.verb.endsWith("-read")) {
      const { error, bytes } = this.volume.read(
        op.verb === "origin-read" ? "origin" : op.snapshot,
        op.args[0]!,
        op.args[1]!,
      );
      this.#answers.push({ op, answer: error === 0 ? sha256(bytes) : errnoName(error) });
    } else {
      const error = this.volume.run(this.#steps(op)!);
      // The kernel's block layer knows no ENOSPC here (E-8).
      if (error !== 0) this.#answers.push({ op, answer: errnoName(error === errno.ENOSPC ? errno.EIO : error) });
    }
  }

  #openAll(): Volume {
    const volume = new Volume(this.#spec.origin, this.#spec.options);
    for (const index of this.#active) volume.open(index, this.#spec.cows[index]!);
    return volume;
  }

  #steps({ verb, snapshot: index, args }: Op): ClientSteps | undefined {
    const { shell } = this.volume;
    const [offset = 0, length = 0, seed = 0] = args;
    const snapshot = shell.snapshots.get(index)!;
    switch (verb) {
      case "origin-write":
        return originWrite(shell, offset, dataPattern(length, seed));
      case "origin-zero":
      case "origin-discard":
        return originWrite(shell, offset, new Uint8Array(length));
      case "origin-read":
        return originRead(shell, offset, new Uint8Array(length));
      case "origin-flush":
        return originFlush(shell);
      case "snap-write":
        return snapshotWrite(shell, snapshot, offset, dataPattern(length, seed));
      case "snap-zero":
        return snapshotWrite(shell, snapshot, offset, new Uint8Array(length));
      case "snap-read":
        return snapshotRead(shell, snapshot, offset, new Uint8Array(length));
      case "snap-flush":
        return snapshotFlush(shell, snapshot);
      case "snap-discard":
        return snapshotDiscard(shell, snapshot, offset, length, this.#spec.features);
      default:
        throw new Error(`operation ${verb} is not known`);
    }
  }
}

/** A discard of a snapshot, as its features have it (E-12). */
function* snapshotDiscard(
  shell: FakeShell,
  snapshot: FakeSnapshot,
  offset: number,
  length: number,
  features: readonly string[],
): ClientSteps {
  if (!features.includes("discard_zeroes_cow")) return errno.EOPNOTSUPP;
  const chunkBytes = snapshot.chunkSectors * SECTOR_BYTES;
  const { table } = snapshot.ports;
  for (const piece of chunkPieces(offset, length, chunkBytes)) {
    yield undefined;
    if (table.stateOf(piece.chunk) === EntryState.None) continue;
    snapshot.disk.zero(table.newChunkOf(piece.chunk) * chunkBytes + (piece.offset % chunkBytes), piece.length);
  }
  if (features.includes("discard_passdown_origin")) shell.origin.zero(offset, length);
  return 0;
}
