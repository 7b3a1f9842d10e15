/**
 * The servers that a user would pick instead, each in its fastest safe mode: flushes stay on.
 *
 * qemu-nbd serves up to 16 clients, so it offers several connections. nbdkit's file plugin knows no O_DIRECT: beside servers that
 * do it would measure the page cache, so it runs on tmpfs only. A snapshot of qemu-storage-daemon (copy-before-write)
 * takes no writes of its own; its row is that of origin writes.
 */
import { run } from "./child.ts";
import type { Place } from "./place.ts";
import type { ServerKind } from "./server-kind.ts";
import { SETTING_NAMES, type Setting } from "./setting.ts";

/** And of many-kinds.ts, whose daemon serves as many. */
const CONNECTIONS_MAX = "16";

const nothing = (): Promise<void> => Promise.resolve();

export const PEERS_OF_SYSTEM: readonly ServerKind[] = [
  {
    name: "floor",
    role: "floor",
    text: "no server: fio with io_uring on the origin file",
    program: "fio",
    settings: SETTING_NAMES,
    volumes: 1,
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
    volumes: 1,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: nothing,
    command: (place, program) => [...qemuNbd(place, program), "-f", "raw", place.origin],
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
    volumes: 1,
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
    volumes: 1,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: nothing,
    command: (place, program) => [program, "-f", "-U", place.socket, "file", place.origin],
  },
];

function overlay(name: string, text: string, options: string): ServerKind {
  return {
    name,
    role: "peer",
    text,
    program: "qemu-nbd",
    settings: SETTING_NAMES,
    volumes: 1,
    snapshotExport: "",
    snapshotWritable: true,
    originExport: undefined,
    prepare: async (place) => {
      const backing = ["-b", place.origin, "-F", "raw"];
      await run(["qemu-img", "create", "-q", "-f", "qcow2", ...backing, "-o", options, place.cow(name)]);
    },
    command: (place, program) => [...qemuNbd(place, program), "-f", "qcow2", place.cow(name)],
  };
}

/** Without the format and the file. */
export function qemuNbd({ setting, socket }: Pick<Place, "setting" | "socket">, program: string): string[] {
  const { direct, qemuAio } = setting;
  const cache = direct ? "none" : "writeback";
  return [program, "-t", "-e", CONNECTIONS_MAX, `--cache=${cache}`, `--aio=${qemuAio}`, "-k", socket];
}

function storageDaemon(place: Place, program: string): string[] {
  const nodes = copyBeforeWrite(place, "", place.origin, place.cow("qsd-cbw"));
  return [
    program,
    ...nodes,
    ...storageServer(place),
    ...storageExport("cbw", "origin", true),
    ...storageExport("acc", "snap", false),
  ];
}

export function storageServer({ socket }: Pick<Place, "socket">): string[] {
  return ["--nbd-server", `addr.type=unix,addr.path=${socket},max-connections=${CONNECTIONS_MAX}`];
}

export function storageExport(node: string, name: string, writable: boolean, more = ""): string[] {
  return ["--export", `type=nbd,id=${node},node-name=${node},name=${name}${writable ? ",writable=on" : ""}${more}`];
}

/** Nodes `cbwSUFFIX`, the live volume, and `accSUFFIX`, its snapshot. */
export function copyBeforeWrite(
  { setting }: Pick<Place, "setting">,
  suffix: string,
  origin: string,
  cow: string,
): string[] {
  const cache = qemuCache(setting);
  return [
    "--blockdev",
    `driver=file,node-name=src${suffix},filename=${origin},${cache},aio=${setting.qemuAio}`,
    "--blockdev",
    `driver=qcow2,node-name=tgt${suffix},file.driver=file,file.filename=${cow},file.${cache},file.aio=${setting.qemuAio},${cache}`,
    "--blockdev",
    `driver=copy-before-write,node-name=cbw${suffix},file=src${suffix},target=tgt${suffix}`,
    "--blockdev",
    `driver=snapshot-access,node-name=acc${suffix},file=cbw${suffix}`,
  ];
}

export function qemuCache({ direct }: Setting): string {
  return `cache.direct=${direct ? "on" : "off"}`;
}
