/**
 * One attack: a few hostile connections at the same time, drawn from a seed or made by hand, with the good clients beside them.
 */
import { Grammar } from "./grammar.ts";
import { HostileClient } from "./hostile-client.ts";
import type { Script } from "./script.ts";
import { ALL_NAMES, HOSTILE_NAMES, SIZE, type Target } from "./target.ts";

const CONNECTIONS = [1, 2, 3, 6];
const GOOD_ROUNDS = 3;
/** One attack in so many ends with a look at every byte. */
export const LOOK_EVERY = 25;

export interface Figures {
  attacks: number;
  connections: number;
  replies: number;
  bytes: number;
}

export const noFigures = (): Figures => ({ attacks: 0, connections: 0, replies: 0, bytes: 0 });

export function scriptsOf(seed: number): Script[] {
  const grammar = new Grammar(seed, HOSTILE_NAMES, SIZE);
  const count = CONNECTIONS[grammar.below(CONNECTIONS.length)]!;
  return Array.from({ length: count }, () => grammar.script());
}

/** Throws what was wrong, with the script that met it. */
export async function attack(
  target: Target,
  scripts: readonly Script[],
  everything: boolean,
  figures: Figures,
): Promise<void> {
  const played = scripts.map(async (script) => {
    const client = new HostileClient(script, target.contents, ALL_NAMES, SIZE);
    try {
      await client.play(script.tcp ? target.tcp : target.unix);
    } catch (error) {
      throw new Error(`${(error as Error).message} (${script.what})`, { cause: error });
    }
    figures.replies += client.replies;
    figures.bytes += script.sends.at(-1) ?? 0;
  });
  const outcomes = await Promise.allSettled([...played, target.beGood(GOOD_ROUNDS)]);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  await target.settle(everything);
  figures.attacks += 1;
  figures.connections += scripts.length;
}
