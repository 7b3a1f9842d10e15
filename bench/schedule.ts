/**
 * The order of the runs: round by round, in each round workload by workload, and for each workload all servers next to one
 * another, beginning with another one in every round.
 *
 *   round 0   w1: A B C   w2: A B C
 *   round 1   w1: B C A   w2: B C A
 *
 * A machine drifts: its clock, its disk, its neighbours. Servers that are compared run within seconds of each other, and none of
 * them is always the first.
 */
import type { RunKey } from "./run-record.ts";
import { type ServerKind, suits } from "./server-kind.ts";
import type { Workload } from "./workload.ts";

export interface Turn {
  readonly server: ServerKind;
  readonly workload: Workload;
  readonly round: number;
}

export function schedule(servers: readonly ServerKind[], workloads: readonly Workload[], rounds: number): Turn[] {
  const turns: Turn[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const workload of workloads) {
      const able = servers.filter((server) => suits(server, workload));
      const first = able.length === 0 ? 0 : round % able.length;
      for (const server of [...able.slice(first), ...able.slice(0, first)]) turns.push({ server, workload, round });
    }
  }
  return turns;
}

/** The turns of which there is no record yet. */
export function withoutDone(turns: readonly Turn[], done: readonly RunKey[]): Turn[] {
  const keys = new Set(done.map((r) => `${r.round} ${r.workload} ${r.server}`));
  return turns.filter((t) => !keys.has(`${t.round} ${t.workload.name} ${t.server.name}`));
}
