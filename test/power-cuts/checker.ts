/**
 * Is what a cut has left what was promised (S-80 … S-84)? The bytes are read by the words of the format alone.
 *
 *   origin      every sector as its ledger allows (S-81); from a merge on the merged snapshot's view stands for it (S-83), until
 *               the merge has ended: then the origin is the volume, and the snapshot is of that moment
 *   snapshot    a blank store before it has been made; invalid only by a drop or where it ran full; else its view is what its
 *               ledger allows (S-80, S-81, S-82)
 */
import { decodeStore, type DecodedStore, viewOf } from "../sim/store-decoder.ts";
import type { Ledger } from "./ledger.ts";
import type { RecordedSnapshot, Recording } from "./recording.ts";
import { stateIn } from "./register-state.ts";

export interface Found {
  readonly snapshot: RecordedSnapshot;
  readonly state: DecodedStore["state"];
  readonly exceptions: number;
  /** Of an active store. */
  readonly view: Uint8Array;
}

/** Throws where the promise is broken at time `at`; returns what there is. */
export function checkCut(recording: Recording, at: number, images: readonly Uint8Array[]): readonly Found[] {
  const { origin, snapshots, mergedFrom } = recording;
  const handedBack = at >= handedBackFrom(recording);
  if (at < mergedFrom) must(origin.wrong(images[0], at), "origin");
  return snapshots.map((snapshot, i) =>
    checkSnapshot(
      { snapshot, at, handedBack: i === 0 && handedBack, live: recording.origin },
      images[snapshot.device],
      images[0],
    ),
  );
}

/** When the register begins to say that the merge has ended, or was stopped: nothing is handed back before. */
function handedBackFrom({ log, snapshots, mergedFrom }: Recording): number {
  const states = log.texts.map(({ text, begin }) => ({ begin, state: stateIn(text, snapshots[0].name) }));
  const first = states.findIndex(({ begin, state }) => begin >= mergedFrom && state === "merging");
  if (first < 0) return Infinity;
  return states.slice(first).find(({ state }) => state !== "merging")?.begin ?? Infinity;
}

interface Asked {
  readonly snapshot: RecordedSnapshot;
  readonly at: number;
  readonly handedBack: boolean;
  /** Of the live volume. */
  readonly live: Ledger;
}

function checkSnapshot({ snapshot, at, handedBack, live }: Asked, cow: Uint8Array, origin: Uint8Array): Found {
  const { name } = snapshot;
  const decoded = decode(name, cow, origin.length);
  must(stateWrong(snapshot, decoded.state, at), name);
  const isActive = decoded.state === "active";
  const view = isActive ? viewOf(decoded, cow, origin) : new Uint8Array(0);
  // The view that was read when its creation was over says of which moment it is. Before that a client knows none.
  if (isActive) {
    const ledger = snapshot.ledger as Ledger;
    const isAnswered = at >= snapshot.answered;
    const wrong = isAnswered ? ledger.wrong(view, at) : live.wrong(view, at, "durable", 0, snapshot.born);
    // One of the two is what clients see: the origin, where everything was merged.
    if (wrong !== undefined && (!handedBack || ledger.wrong(origin, at) !== undefined)) must(wrong, name);
  }
  return { snapshot, state: decoded.state, exceptions: decoded.exceptions.length, view };
}

function decode(name: string, cow: Uint8Array, originBytes: number): DecodedStore {
  try {
    return decodeStore(cow, originBytes);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

function stateWrong(snapshot: RecordedSnapshot, state: DecodedStore["state"], at: number): string | undefined {
  const { born, there, dying, gone, mayBeInvalid, invalid } = snapshot;
  if (state === "new") return at < there ? undefined : "has no header";
  if (state === "invalid") return at >= dying || at >= mayBeInvalid ? undefined : "is invalid for no reason";
  if (at < born) return "is there before it was made";
  return at >= gone || at >= invalid ? "is valid after it has been made invalid" : undefined;
}

function must(wrong: string | undefined, what: string): void {
  if (wrong !== undefined) throw new Error(`${what}: ${wrong}`);
}
