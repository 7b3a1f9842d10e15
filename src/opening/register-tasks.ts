/**
 * What an opening thread does for the register of an origin: all that looks at files, marks and writes them. Main decides, and has the register.
 *
 *   findRegister    the origin is open                 which register is its, and how the two stand to each other
 *   lookAtStores    before stores are opened           does anything stand at their paths? What the register says of it
 *   findStore       a store is open, and read          all that decides whether it is the one that was asked for (register/tie.ts)
 *   seeStore        …                                  what its list holds, for the next opening
 *   placesOf        before entries are written         by what path and identity stores are found again
 *   homeOf          …                                  where the register is to stand from now on
 *   writeRegister   …                                  replaced, changed in place, removed
 *   markAll         … and after they were written      the marks of origin and COW files
 *
 * Each of these calls waits as long as a file system does that has stopped answering. The register travels as a copy or as text, devices by their descriptors, which
 * are the process's. It holds no rule of its own: those are src/register's.
 */
import { existsSync } from "node:fs";
import { alignDown, SECTOR_BYTES } from "../base/units.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { DeviceFile, type OpenedFile } from "../device/device-file.ts";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import type { Identity } from "../register/identity.ts";
import { findStore, identityOfStore, knownStore, type ReadStore, withMarked } from "../register/known-store.ts";
import { ensureMark, removeMark } from "../register/mark.ts";
import {
  findRegister,
  type FoundRegister,
  markOrigin,
  newHome,
  packed,
  unpacked,
} from "../register/origin-register.ts";
import type { RegisterHome } from "../register/register.ts";
import {
  type FileRights,
  removeRegisterFile,
  replaceRegisterFile,
  unfinishRegisterFile,
} from "../register/register-file.ts";
import type { OpenOrigin } from "../register/register-place.ts";
import { seeStore } from "../register/seen-store.ts";
import type { DigestWord, SeenStore } from "../register/store-digest.ts";
import type { FoundStore, Known, Words } from "../register/tie.ts";

export interface FindOrder {
  readonly origin: OpenOrigin;
  readonly words: Words;
  /** See Register.read. */
  readonly settle: boolean;
}

/** A store by the name and the path that are asked for. */
export interface AskedStore {
  readonly name: string;
  readonly cow: string;
}

export interface StorePlace {
  /** Something stands at its path. */
  readonly isThere: boolean;
  readonly known: Known | undefined;
}

export interface LookOrder {
  readonly found: FoundRegister;
  readonly stores: readonly AskedStore[];
}

export interface TieOrder extends AskedStore {
  readonly found: FoundRegister;
  readonly file: OpenedFile;
  readonly read: ReadStore;
  readonly digest: DigestWord;
}

export interface TiedStore {
  readonly known: Known | undefined;
  readonly store: FoundStore;
}

export interface SeeOrder {
  readonly file: OpenedFile;
  readonly chunkBytes: number;
  readonly from: SeenStore | undefined;
  readonly most: number | undefined;
}

export interface PlacesOrder {
  readonly stores: readonly OpenedFile[];
  readonly paths: readonly string[];
}

export interface Places {
  readonly stores: readonly { readonly cow: string; readonly identity: Identity }[];
  /** Real ones, of `paths`, and of the `cow` of each store. */
  readonly paths: readonly string[];
  readonly cows: readonly string[];
}

/** `store`: the id that its mark is to have; undefined: the mark goes. */
export interface Marking {
  readonly file: OpenedFile;
  readonly name: string;
  readonly store: string | undefined;
}

export interface MarkOrder {
  readonly found: FoundRegister;
  readonly stores: readonly Marking[];
}

/** `replace`: with this text, by a file of these rights; see RegisterWriter. */
export type WriteOrder =
  | { readonly path: string; readonly how: "replace"; readonly text: string; readonly rights: FileRights | undefined }
  | { readonly path: string; readonly how: "unfinish" | "remove" };

export const REGISTER_TASKS = {
  findRegister: async ({ origin, words, settle }: FindOrder): Promise<FoundRegister> =>
    packed(await findRegister(origin, words, settle)),

  lookAtStores: ({ found, stores }: LookOrder): readonly StorePlace[] => {
    const register = unpacked(found);
    return stores.map(({ name, cow }) => ({ isThere: existsSync(cow), known: knownStore(register, name, cow) }));
  },

  findStore: async ({ found, name, cow, file: opened, read, digest }: TieOrder): Promise<TiedStore> => {
    const [register, file] = [unpacked(found), new DeviceFile(opened)];
    const known = knownStore(register, name, cow, identityOfStore(file));
    return { known, store: await findStore(file, read, digest, register, known) };
  },

  /** As large as the device is now: it may have grown. */
  seeStore: ({ file: { fd }, chunkBytes, from, most }: SeeOrder): Promise<SeenStore> =>
    seeStore({ fd, cowBytes: alignDown(deviceFacts(fd).sizeBytes, SECTOR_BYTES), chunkBytes }, from, most),

  placesOf: ({ stores, paths }: PlacesOrder): Places => {
    const found = stores.map((opened) => new DeviceFile(opened));
    const places = found.map((file) => ({ cow: lastingPath(file.path), identity: identityOfStore(file) }));
    return { stores: places, paths: paths.map(realPath), cows: places.map(({ cow }) => realPath(cow)) };
  },

  homeOf: (found: FoundRegister): RegisterHome | undefined => newHome(unpacked(found)),

  writeRegister: async (order: WriteOrder): Promise<void> => {
    if (order.how === "replace") await replaceRegisterFile(order.path, order.text, order.rights);
    else if (order.how === "unfinish") await unfinishRegisterFile(order.path);
    else await removeRegisterFile(order.path);
  },

  markAll: ({ found, stores }: MarkOrder): void => {
    const register = unpacked(found);
    ifPossible(() => markOrigin(register));
    for (const one of stores) ifPossible(() => mark(one, found));
  },
} as const;

function mark({ file: opened, name, store }: Marking, { register }: FoundRegister): void {
  const file = new DeviceFile(opened);
  withMarked(file, (fd) => {
    if (store === undefined) return removeMark(fd);
    const self = identityOfStore(file);
    ensureMark(fd, { role: "cow", self, register: register.path, id: register.content.id, name, store });
  });
}

/**
 * The register is written, and counts: whatever cannot be opened for its mark (the file of a loop device, where no descriptor is left) goes without, as
 * one that knows no attributes. An order that failed by it would be registered all the same.
 */
function ifPossible(mark: () => void): void {
  try {
    mark();
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== "string") throw error;
  }
}
