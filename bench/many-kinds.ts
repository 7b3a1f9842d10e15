/**
 * Servers of many volumes, each with an origin and a snapshot of its own, and with one client.
 *
 *   snapring-x16      one process, an engine
 *   qsd-qcow2-x16     one qemu-storage-daemon, 16 qcow2 overlays, spread over an I/O thread for each CPU
 *   qsd-cbw-x16       the same with copy-before-write: the live volumes
 *   qcow2-16k-x16     16 processes of qemu-nbd, an overlay each
 *
 * Origins have the same size together as that of one volume, and so have COW files.
 */
import { cpus } from "node:os";
import type { EngineVolumeOptions } from "../src/index.ts";
import { run } from "./child.ts";
import { ENGINE_SERVER } from "./engine-server-path.ts";
import { copyBeforeWrite, qemuCache, qemuNbd, storageExport, storageServer } from "./peers.ts";
import type { Place } from "./place.ts";
import type { ServerKind } from "./server-kind.ts";
import { SETTING_NAMES } from "./setting.ts";
import { COW_BYTES } from "./snapring-kinds.ts";
import { KIB } from "./workload.ts";
import { MANY_VOLUMES } from "./workloads.ts";

const CHUNK_BYTES = 16 * KIB;
const VOLUMES: readonly number[] = Array.from({ length: MANY_VOLUMES }, (_, i) => i);

export const SNAPRING_MANY: ServerKind = {
  name: "snapring-x16",
  role: "ours",
  text: `snapring, one engine with ${MANY_VOLUMES} volumes of 16 KiB chunks, COW files with reserved space`,
  program: process.execPath,
  settings: SETTING_NAMES,
  volumes: MANY_VOLUMES,
  snapshotExport: "",
  snapshotWritable: true,
  originExport: "",
  exportOf: ({ socket }, side, i) => ({ name: side === "origin" ? `v${i}` : `v${i}@snap`, socket }),
  prepare: makeOrigins,
  command: (place, program) => [program, ENGINE_SERVER, JSON.stringify(engineArguments(place))],
};

export const MANY_PEERS_OF_SYSTEM: readonly ServerKind[] = [
  {
    name: "qsd-qcow2-x16",
    role: "peer",
    text: `one qemu-storage-daemon with ${MANY_VOLUMES} qcow2 overlays, 16 KiB clusters`,
    program: "qemu-storage-daemon",
    settings: SETTING_NAMES,
    volumes: MANY_VOLUMES,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    exportOf: ({ socket }, _side, i) => ({ name: `v${i}`, socket }),
    prepare: (place) => makeOverlays(place, "qsd-qcow2-x16"),
    command: (place, program) => [
      program,
      ...ioThreads(),
      ...VOLUMES.flatMap((i) => overlayNode(place, i)),
      ...storageServer(place),
      ...VOLUMES.flatMap((i) => storageExport(`ovl${i}`, `v${i}`, true, inThread(i))),
    ],
  },
  {
    name: "qsd-cbw-x16",
    role: "peer",
    text: `one qemu-storage-daemon with ${MANY_VOLUMES} volumes, copy-before-write into qcow2`,
    program: "qemu-storage-daemon",
    settings: SETTING_NAMES,
    volumes: MANY_VOLUMES,
    snapshotExport: "",
    snapshotWritable: false,
    originExport: "",
    exportOf: ({ socket }, side, i) => ({ name: side === "origin" ? `v${i}` : `s${i}`, socket }),
    prepare: async (place) => {
      await makeOrigins(place);
      for (const i of VOLUMES) {
        await run(["qemu-img", "create", "-q", "-f", "qcow2", place.cow("qsd-cbw-x16", i), String(bytesOf(place))]);
      }
    },
    command: (place, program) => [
      program,
      ...ioThreads(),
      ...VOLUMES.flatMap((i) => copyBeforeWrite(place, String(i), origin(place, i), place.cow("qsd-cbw-x16", i))),
      ...storageServer(place),
      ...VOLUMES.flatMap((i) => [
        ...storageExport(`cbw${i}`, `v${i}`, true, inThread(i)),
        ...storageExport(`acc${i}`, `s${i}`, false, inThread(i)),
      ]),
    ],
  },
  {
    name: "qcow2-16k-x16",
    role: "peer",
    text: `${MANY_VOLUMES} processes of qemu-nbd, a qcow2 overlay each, 16 KiB clusters`,
    program: "qemu-nbd",
    settings: SETTING_NAMES,
    volumes: MANY_VOLUMES,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    exportOf: (place, _side, i) => ({ name: "", socket: place.socketOf(i) }),
    prepare: (place) => makeOverlays(place, "qcow2-16k-x16"),
    command: (place, program) =>
      together(
        VOLUMES.map((i) => [
          ...qemuNbd({ setting: place.setting, socket: place.socketOf(i) }, program),
          "-f",
          "qcow2",
          place.cow("qcow2-16k-x16", i),
        ]),
      ),
  },
];

function bytesOf(place: Place): number {
  return place.originBytes / MANY_VOLUMES;
}

function origin(place: Place, i: number): string {
  return place.originOf(i, bytesOf(place));
}

async function makeOrigins(place: Place): Promise<void> {
  place.makeOrigins(MANY_VOLUMES);
}

async function makeOverlays(place: Place, server: string): Promise<void> {
  place.makeOrigins(MANY_VOLUMES);
  for (const i of VOLUMES) {
    const backing = ["-b", origin(place, i), "-F", "raw"];
    const options = ["-o", "cluster_size=16k"];
    await run(["qemu-img", "create", "-q", "-f", "qcow2", ...backing, ...options, place.cow(server, i)]);
  }
}

function engineArguments(place: Place): object {
  const { name, direct } = place.setting;
  // On tmpfs as a user who says nothing has it.
  const mode = name === "tmpfs" ? {} : { direct };
  const volumes = VOLUMES.map((i): EngineVolumeOptions => {
    const cow = place.cow("snapring-x16", i);
    const snapshot = { name: "snap", cow, size: COW_BYTES / MANY_VOLUMES, chunkSize: CHUNK_BYTES };
    return { name: `v${i}`, origin: origin(place, i), snapshots: [snapshot], ...mode };
  });
  return { engine: { listen: [`unix:${place.socket}`] }, volumes };
}

/** qemu's main loop would be the one thread of all exports. */
function ioThreads(): string[] {
  return cpus().flatMap((_, i) => ["--object", `iothread,id=io${i}`]);
}

function inThread(i: number): string {
  return `,iothread=io${i % cpus().length}`;
}

/** Of which the origin is the backing file. */
function overlayNode(place: Place, i: number): string[] {
  const { setting } = place;
  const cache = qemuCache(setting);
  const file = (path: string): string => `driver=file,filename=${path},${cache},aio=${setting.qemuAio}`;
  return [
    "--blockdev",
    `node-name=base${i},read-only=on,${file(origin(place, i))}`,
    "--blockdev",
    `node-name=top${i},${file(place.cow("qsd-qcow2-x16", i))}`,
    "--blockdev",
    `driver=qcow2,node-name=ovl${i},file=top${i},backing=base${i},${cache}`,
  ];
}

/** Several programs as one, which ends on SIGTERM when all have. */
function together(commands: readonly (readonly string[])[]): string[] {
  const quoted = commands.map((command) => command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" "));
  const script = [
    `trap 'kill $pids; wait; exit 0' TERM`,
    ...quoted.map((command) => `${command} & pids="$pids $!"`),
    "wait",
  ];
  return ["sh", "-c", script.join("\n")];
}
