/**
 * A client that writes: one request after the other, each in its ledger. Several of them make the concurrency.
 */
import type { SeededRandom } from "../support/core/seeded-random.ts";
import { CmdFlag, NbdFailure, type NbdClient } from "../support/nbd-client.ts";
import { type Ledger, SECTOR_BYTES, stamped, type WriteNumbers, ZEROES } from "./ledger.ts";

export interface Client {
  readonly name: string;
  readonly connection: NbdClient;
  readonly ledger: Ledger;
  readonly numbers: WriteNumbers;
  readonly random: SeededRandom;
}

/** A few places are written again and again, so that what is durable and what is not lie on one another. */
const HOT_PERCENT = 30;
const HOT_SECTORS = 64;

/** The client's requests; ends early where they are refused for good: its snapshot has become invalid. */
export async function writeAway(client: Client, requests: number, writeSectors: number): Promise<void> {
  for (let i = 0; i < requests; i++) {
    try {
      await request(client, writeSectors);
    } catch (error) {
      if (!(error instanceof NbdFailure)) throw error;
      return;
    }
  }
}

async function request({ connection, ledger, numbers, random }: Client, writeSectors: number): Promise<void> {
  const dice = random.below(100);
  if (dice < 14) {
    const answered = ledger.flushing();
    await connection.flush();
    return answered();
  }
  const count = 1 + random.below(writeSectors);
  const room = random.chance(HOT_PERCENT) ? HOT_SECTORS : ledger.sectors - count;
  const first = Math.min(random.below(room), ledger.sectors - count);
  const fua = dice < 26;
  const flags = fua ? CmdFlag.Fua : 0;
  const number = dice > 92 ? ZEROES : numbers.next();
  const acknowledged = ledger.begin(first, count, number, fua);
  if (number === ZEROES) await connection.zeroes(first * SECTOR_BYTES, count * SECTOR_BYTES, flags);
  else await connection.write(first * SECTOR_BYTES, stamped(first, count, number), flags);
  acknowledged();
}
