/**
 * The servers that a user would pick instead, each in its fastest safe mode: flushes stay on.
 *
 * qemu-nbd serves up to 16 clients, so it offers several connections. nbdkit's file plugin knows no O_DIRECT: beside servers that
 * do it would measure the page cache, so it runs on tmpfs only. A snapshot of qemu-storage-daemon (copy-before-write)
 * takes no writes of its own; its row is that of origin writes.
 *
 * Each is there twice: as the system has it, and as Debian 13 has it (`npm run setup -- --peers`). Their files are the same.
 */
import { run } from "./child.ts";
import { NEWER_SUFFIX, newerProgram } from "./newer-programs.ts";
import type { Place } from "./place.ts";
import type { ServerKind } from "./server-kind.ts";
import { SETTING_NAMES } from "./setting.ts";

const CONNECTIONS_MAX = "16";

const nothing = (): Promise<void> => Promise.resolve();

const OF_THIS_SYSTEM: readonly ServerKind[] = [
  {
    name: "floor",
    role: "floor",
    text: "no server: fio with io_uring on the origin file",
    program: "fio",
    settings: SETTING_NAMES,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: nothing,
    command: () => [],
  },
  {
    name: "qemu-raw",
    role: "ceiling",
    text: "qemu-nbd, raw file, no snapshot",
    program: "qemu-nbd",
    settings: SETTING_NAMES,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: nothing,
    command: (place) => [...qemuNbd(place), "-f", "raw", place.origin],
  },
  overlay("qcow2-16k", "qemu-nbd, qcow2 overlay, 16 KiB clusters", "cluster_size=16k"),
  overlay(
    "qcow2-el2",
    "qemu-nbd, qcow2 overlay, 128 KiB clusters with 4 KiB subclusters (extended_l2)",
    "cluster_size=128k,extended_l2=on",
  ),
  {
    name: "qsd-cbw",
    role: "peer",
    text: "qemu-storage-daemon, copy-before-write into qcow2; its snapshot is read-only and lost with the process",
    program: "qemu-storage-daemon",
    settings: SETTING_NAMES,
    snapshotExport: "snap",
    snapshotWritable: false,
    originExport: "origin",
    prepare: async (place) => {
      await run(["qemu-img", "create", "-q", "-f", "qcow2", place.cow("qsd-cbw"), String(place.originBytes)]);
    },
    command: storageDaemon,
  },
  {
    name: "nbdkit-file",
    role: "ceiling",
    text: "nbdkit file plugin, no snapshot",
    program: "nbdkit",
    settings: ["tmpfs"],
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: nothing,
    command: (place) => ["nbdkit", "-f", "-U", place.socket, "file", place.origin],
  },
];

/** Those of the system, and where `npm run setup -- --peers` has brought newer ones, these. */
export const PEERS: readonly ServerKind[] = [...OF_THIS_SYSTEM, ...OF_THIS_SYSTEM.flatMap(newer)];

/** The same of a newer Debian. */
function newer(kind: ServerKind): ServerKind[] {
  if (kind.role === "floor") return [];
  const program = newerProgram(kind.program);
  return [
    {
      ...kind,
      name: `${kind.name}${NEWER_SUFFIX}`,
      text: `${kind.text} (Debian 13)`,
      program,
      command: (place) => [program, ...kind.command(place).slice(1)],
    },
  ];
}

function overlay(name: string, text: string, options: string): ServerKind {
  return {
    name,
    role: "peer",
    text,
    program: "qemu-nbd",
    settings: SETTING_NAMES,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: async (place) => {
      const backing = ["-b", place.origin, "-F", "raw"];
      await run(["qemu-img", "create", "-q", "-f", "qcow2", ...backing, "-o", options, place.cow(name)]);
    },
    command: (place) => [...qemuNbd(place), "-f", "qcow2", place.cow(name)],
  };
}

function qemuNbd(place: Place): string[] {
  const { direct, qemuAio } = place.setting;
  const cache = direct ? "none" : "writeback";
  return ["qemu-nbd", "-t", "-e", CONNECTIONS_MAX, `--cache=${cache}`, `--aio=${qemuAio}`, "-k", place.socket];
}

function storageDaemon(place: Place): string[] {
  const { direct, qemuAio } = place.setting;
  const cache = `cache.direct=${direct ? "on" : "off"}`;
  const cow = place.cow("qsd-cbw");
  return [
    "qemu-storage-daemon",
    "--blockdev",
    `driver=file,node-name=src,filename=${place.origin},${cache},aio=${qemuAio}`,
    "--blockdev",
    `driver=qcow2,node-name=tgt,file.driver=file,file.filename=${cow},file.${cache},file.aio=${qemuAio},${cache}`,
    "--blockdev",
    "driver=copy-before-write,node-name=cbw,file=src,target=tgt",
    "--blockdev",
    "driver=snapshot-access,node-name=acc,file=cbw",
    "--nbd-server",
    `addr.type=unix,addr.path=${place.socket},max-connections=${CONNECTIONS_MAX}`,
    "--export",
    "type=nbd,id=e0,node-name=cbw,name=origin,writable=on",
    "--export",
    "type=nbd,id=e1,node-name=acc,name=snap",
  ];
}
