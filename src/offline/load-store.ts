/**
 * Opens the store on a device for the offline commands: feeds core's loader from a file, one range after the other.
 *
 * It writes nothing (S-36, S-37). A blank device has no store and is refused here, unlike in the engine, which would make one
 * (S-31). What the loader refuses is passed on with the path in front and, where there is one, a way out behind.
 */
import { errnoOf, hintOf, SnapringError, type ErrnoName } from "../base/errno.ts";
import type { Sector } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { StoreLoader, type ExceptionSink } from "../core/store-loader.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { storeOn } from "../register/blank.ts";

export interface LoadOptions {
  /** 0 or left out: what the header says; only needed where the device is smaller than a default chunk (S-30). */
  readonly chunkSectors?: Sector | undefined;
  /** Where it is known, exceptions beyond its end are refused (S-38). */
  readonly origin?: DeviceFile | undefined;
}

const HINTS: Readonly<Record<string, string>> = {
  ENXIO: "is this the COW file, not the origin?",
  EIO: "nothing was changed",
};

/** Throws a SnapringError for anything but an active or Invalid store. */
export function loadStore(cow: DeviceFile, options: LoadOptions, sink: ExceptionSink): LoadedStore {
  const loaded = withPath(cow, options.origin, () => {
    const loader = new StoreLoader(
      {
        cowBytes: cow.sizeBytes,
        chunkSectors: options.chunkSectors ?? 0,
        blocks: { cow: cow.logicalBlockBytes, origin: options.origin?.logicalBlockBytes },
        originSectors: options.origin?.sectors,
      },
      sink,
    );
    for (let range = loader.wanted; range !== undefined; range = loader.wanted) {
      const bytes = new Uint8Array(range.length);
      try {
        cow.read(range.position, bytes);
      } catch (error) {
        loader.fail(errnoOf(error));
      }
      loader.feed(bytes);
    }
    return loader.result();
  });
  if (loaded.state === "new") {
    throw (
      swapped(cow, options.origin) ??
      new SnapringError("ENXIO", `${cow.path} holds no snapshot: its header is blank`, {
        hint: "name the file or device that holds the snapshot's store",
      })
    );
  }
  return loaded;
}

function withPath<T>(cow: DeviceFile, origin: DeviceFile | undefined, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    if (error.code === "ENXIO") throw swapped(cow, origin) ?? withHint(cow.path, error);
    throw withHint(cow.path, error);
  }
}

function withHint(path: string, error: SnapringError): SnapringError {
  return new SnapringError(error.code as ErrnoName, `${path}: ${error.message}`, {
    hint: hintOf(error) ?? HINTS[error.code],
    cause: error,
  });
}

/** The store is where the origin should be, and what should be the store is none. */
function swapped(cow: DeviceFile, origin: DeviceFile | undefined): SnapringError | undefined {
  if (origin === undefined || storeOn(origin) === undefined) return undefined;
  return new SnapringError(
    "EUSAGE",
    `the origin and the COW file are the wrong way round: ${origin.path} holds a snapshot, ${cow.path} none`,
    {
      hint: `write ${cow.path} as the origin, ${origin.path} as the COW file`,
    },
  );
}
