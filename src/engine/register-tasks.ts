/**
 * Main's side of what opening threads do for the register of one origin (opening/register-tasks.ts has the other): each question and each write with the
 * devices that it may hang in.
 *
 *   looks, while a volume is opened    given up by its signal; refused where there is no thread
 *   what is recorded                   neither: half of it would be worse than none. Where no thread can be had, main does it itself
 */
import type { FoundRegister, OriginRegister } from "../register/origin-register.ts";
import { newHome, packed, unpacked } from "../register/origin-register.ts";
import type { AbandonOrder } from "../register/abandon.ts";
import type { RegisterHome } from "../register/register.ts";
import type { SeenStore } from "../register/store-digest.ts";
import type { Words } from "../register/tie.ts";
import type {
  AskedStore,
  Marking,
  Places,
  StorePlace,
  TiedStore,
  TieOrder,
  WriteOrder,
} from "../opening/register-tasks.ts";
import type { Openings } from "./opening-pool.ts";
import type { VolumeDevice } from "./volume-device.ts";

/** A store that is open. */
export interface OpenStore {
  readonly cow: VolumeDevice;
  readonly chunkBytes: number;
}

type Stop = AbortSignal | undefined;
const URGENT = { urgent: true } as const;

export class RegisterTasks {
  readonly found: OriginRegister;
  readonly #openings: Openings;

  private constructor(openings: Openings, found: FoundRegister) {
    this.#openings = openings;
    const write = (order: WriteOrder): Promise<void> => openings.run("writeRegister", order, URGENT);
    this.found = unpacked(found, {
      replace: (path, text, rights) => write({ path, how: "replace", text, rights }),
      unfinish: (path) => write({ path, how: "unfinish" }),
      remove: (path) => write({ path, how: "remove" }),
    });
  }

  /** Throws a SnapringError (origin-register.ts), or an AbortError. `settle`: see Register.read. */
  static async find(
    openings: Openings,
    origin: VolumeDevice,
    words: Words,
    settle: boolean,
    stop: Stop,
  ): Promise<RegisterTasks> {
    const { fd, path, sizeBytes } = origin.file;
    const order = { origin: { fd, path, sizeBytes }, words, settle };
    return new RegisterTasks(openings, await openings.run("findRegister", order, { stop, uses: origin }));
  }

  look(asked: readonly AskedStore[], stop: Stop): Promise<readonly StorePlace[]> {
    const stores = asked.map(({ name, cow }) => ({ name, cow }));
    return this.#openings.run("lookAtStores", { found: packed(this.found), stores }, { stop });
  }

  tie(cow: VolumeDevice, what: Omit<TieOrder, "found" | "file">, stop: Stop): Promise<TiedStore> {
    const order = { ...what, found: packed(this.found), file: cow.file };
    return this.#openings.run("findStore", order, { stop, uses: cow });
  }

  /** Lines for the log. */
  abandon(order: AbandonOrder): Promise<readonly string[]> {
    return this.#openings.run("abandonAll", order);
  }

  /** What its list holds now, `from` what was last seen of it on; of `most` exceptions at most. */
  seen({ cow, chunkBytes }: OpenStore, from?: SeenStore, most?: number): Promise<SeenStore> {
    return this.#openings.run("seeStore", { file: cow.file, chunkBytes, from, most }, URGENT);
  }

  /** Of open stores, and the real ones of further paths. */
  places(opened: readonly OpenStore[], paths: readonly string[] = []): Promise<Places> {
    const order = { stores: opened.map(({ cow }) => cow.file), paths };
    return this.#openings.run("placesOf", order, URGENT);
  }

  async home(): Promise<RegisterHome | undefined> {
    // Where it stays where it is, no file is looked at.
    if (this.found.register.path === this.found.place.path) return newHome(this.found);
    return await this.#openings.run("homeOf", packed(this.found), URGENT);
  }

  /** The origin, and stores. */
  mark(stores: readonly (Omit<Marking, "file"> & Pick<OpenStore, "cow">)[]): Promise<void> {
    const marks = stores.map(({ cow, name, store }) => ({ file: cow.file, name, store }));
    return this.#openings.run("markAll", { found: packed(this.found), stores: marks }, URGENT);
  }
}
