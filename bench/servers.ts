/**
 * All servers that a bench may measure: peers and snapring, with one volume and with many.
 *
 * A peer is there twice: as the system has it, and as Debian 13 has it (`npm run setup -- --peers`). Their files are the same.
 */
import { MANY_PEERS_OF_SYSTEM, SNAPRING_MANY } from "./many-kinds.ts";
import { NEWER_SUFFIX, newerProgram } from "./newer-programs.ts";
import { PEERS_OF_SYSTEM } from "./peers.ts";
import type { ServerKind } from "./server-kind.ts";
import { SNAPRING_KINDS } from "./snapring-kinds.ts";

const OF_SYSTEM: readonly ServerKind[] = [...PEERS_OF_SYSTEM, ...MANY_PEERS_OF_SYSTEM];

export const SERVERS: readonly ServerKind[] = [
  ...OF_SYSTEM,
  ...OF_SYSTEM.flatMap(newer),
  ...SNAPRING_KINDS,
  SNAPRING_MANY,
];

/** The same of a newer Debian. */
function newer(kind: ServerKind): ServerKind[] {
  if (kind.role === "floor") return [];
  const { name, text, program } = kind;
  return [{ ...kind, name: `${name}${NEWER_SUFFIX}`, text: `${text} (Debian 13)`, program: newerProgram(program) }];
}
