/**
 * Who makes snapshots of a volume that is being written, and drops them: ours, and qemu-storage-daemon with blockdev-snapshot-sync.
 *
 * The daemon puts a qcow2 overlay over the volume, which takes the writes from then on. It is not taken away again, for that is a copy back (block-commit), not a
 * drop: the overlays stay, one over the other, and so it makes a few only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { qemuCache, storageExport, storageServer } from "./peers.ts";
import type { Place } from "./place.ts";
import { QmpClient } from "./qmp-client.ts";
import { GIB } from "./workload.ts";

const PAUSE_SERVER = fileURLToPath(new URL("./pause-server.js", import.meta.url));
const START_SECONDS = 20;
const OVERLAYS_MOST = 40;

export interface SnapshotMaker {
  readonly name: string;
  readonly exportName: string;
  /** So many at most. */
  readonly most: number;
  start(): Promise<void>;
  /** Resolves with the microseconds for which writes were held, where it says so. */
  make(): Promise<number | undefined>;
  drop(): Promise<void>;
  stop(): Promise<void>;
}

export class SnapringMaker implements SnapshotMaker {
  readonly name = "snapring";
  readonly exportName = "";
  readonly most = Number.POSITIVE_INFINITY;
  readonly #place: Place;
  #child: ChildProcess | undefined;
  #lines: Interface | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const { origin, socket, setting } = this.#place;
    const order = {
      origin,
      cow: this.#place.cow("pause"),
      size: GIB,
      listen: `unix:${socket}`,
      direct: setting.direct,
    };
    const child = spawn(process.execPath, [PAUSE_SERVER, JSON.stringify(order)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    await thereIs(socket, child);
  }

  async make(): Promise<number | undefined> {
    return (await this.#ask("make")).pauseUs;
  }

  async drop(): Promise<void> {
    await this.#ask("drop");
  }

  stop(): Promise<void> {
    return end(this.#child, () => this.#child?.stdin?.end());
  }

  #ask(what: string): Promise<{ readonly pauseUs?: number }> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the server has ended"));
      this.#child?.once("close", ended);
      this.#lines?.once("line", (line) => {
        this.#child?.off("close", ended);
        resolve(JSON.parse(line) as { readonly pauseUs?: number });
      });
      this.#child?.stdin?.write(`${what}\n`);
    });
  }
}

export class StorageDaemonMaker implements SnapshotMaker {
  readonly name = "qemu-storage-daemon";
  readonly exportName = "origin";
  readonly most = OVERLAYS_MOST;
  readonly #place: Place;
  #child: ChildProcess | undefined;
  #control: QmpClient | undefined;
  #count = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const { setting, origin, socket } = this.#place;
    const control = `${socket}.qmp`;
    const file = `driver=file,node-name=file,filename=${origin},${qemuCache(setting)},aio=${setting.qemuAio}`;
    const child = spawn(
      "qemu-storage-daemon",
      [
        ...["--blockdev", file, "--blockdev", `driver=raw,node-name=node0,file=file,${qemuCache(setting)}`],
        ...storageServer(this.#place),
        ...storageExport("node0", this.exportName, true),
        ...["--chardev", `socket,path=${control},server=on,wait=off,id=control`, "--monitor", "chardev=control"],
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    this.#child = child;
    await thereIs(socket, child);
    await thereIs(control, child);
    this.#control = await QmpClient.open(control);
  }

  async make(): Promise<undefined> {
    const overlay = { "snapshot-file": this.#overlay(this.#count + 1), "snapshot-node-name": `node${this.#count + 1}` };
    await this.#control?.run("blockdev-snapshot-sync", {
      "node-name": `node${this.#count}`,
      ...overlay,
      format: "qcow2",
    });
    this.#count += 1;
  }

  drop(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#control?.close();
    await end(this.#child, () => this.#child?.kill("SIGTERM"));
  }

  /** Beside the COW files of a run, which are removed with them. */
  #overlay(i: number): string {
    return join(this.#place.setting.folder, `pause-${i}.cow`);
  }
}

async function thereIs(socket: string, child: ChildProcess): Promise<void> {
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (child.exitCode !== null || waited > START_SECONDS * 1000) throw new Error("the server does not start");
    await delay(20);
  }
}

async function end(child: ChildProcess | undefined, tell: () => void): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  tell();
  await closed;
}
