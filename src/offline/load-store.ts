/**
 * Opens the store on a device for the offline commands: feeds core's loader from a file, one range after the other.
 *
 * It writes nothing (S-36, S-37). A blank device has no store and is refused here, unlike in the engine, which would make one
 * (S-31). What the loader refuses is passed on with the path in front and, where there is one, a way out behind.
 */
import { errnoOf, SnapringError, type ErrnoName } from "../base/errno.ts";
import type { Sector } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { StoreLoader, type ExceptionSink } from "../core/store-loader.ts";
import type { DeviceFile } from "../device/device-file.ts";

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
  const loaded = withPath(cow.path, () => {
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
    throw new SnapringError("ENXIO", `${cow.path} holds no snapshot: its header is blank`, {
      hint: "snapring create makes an empty one",
    });
  }
  return loaded;
}

function withPath<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    throw new SnapringError(error.code as ErrnoName, `${path}: ${error.message}`, {
      hint: error.hint ?? HINTS[error.code],
      cause: error,
    });
  }
}
