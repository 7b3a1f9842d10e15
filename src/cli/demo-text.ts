/**
 * What the demo prints when it serves: its exports, and what to type, one step after the other.
 */
import { formatSize } from "../base/size-text.ts";
import type { ExportInfo } from "../engine/volume.ts";
import type { DemoOrigin } from "./demo-origin.ts";

/** In a check-out there is no `snapring` to type: whoever starts it there says what there is. */
const TYPED = process.env["SNAPRING_TYPED"] ?? "snapring";

export interface Shown extends DemoOrigin {
  readonly directory: string;
  /** Under the names that the daemon's addresses have; the live volume first. */
  readonly exports: readonly ExportInfo[];
  /** Path of the control socket. */
  readonly control: string;
  /** Of the snapshot that is taken. */
  readonly snapshotUri: string;
}

export function demoText(shown: Shown): string {
  const { directory, exports, kind, isNew } = shown;
  const content = kind === "ext4" ? "an ext4 file system" : "lines of text";
  const list = exports.flatMap(({ name, sizeBytes, uris }) =>
    uris.map((uri) => `  ${name.padEnd(12)} ${formatSize(sizeBytes).padEnd(8)} ${uri}\n`),
  );
  return `snapring serves ${content} from ${directory}${isNew ? "" : ", as the last start left it"}

${list.join("")}
Try, in another terminal:

${steps(shown).join("\n")}

The snapshot stays what the volume was, whatever is written. Ctrl-C ends.
Every other command likewise: ${TYPED} help

`;
}

function steps({ directory, exports, control, kind, snapshotUri }: Shown): string[] {
  const [{ sizeBytes, uris }] = exports as [ExportInfo];
  const live = uris[0] ?? "";
  const copy = `${directory}/before.copy`;
  const check = kind === "ext4" ? ` && e2fsck -fn '${copy}'` : "";
  // Half of the volume away from its start, where a small file system has its first files.
  const half = sizeBytes / 2;
  const area = `--offset=${half - (half % 4096)} --size=${Math.floor(half / 2)}`;
  // A quarter of it is written; the rest comes by itself.
  const store = `--size ${formatSize(Math.max(2 ** 20, 2 ** Math.floor(Math.log2(sizeBytes / 4)))).replace(/ (.)iB/, "$1")}`;
  return [
    `  export SNAPRING_CONTROL='unix:${control}'`,
    `  ${TYPED} snapshot create demo@before ${store} --grow 16M       take a snapshot of this moment`,
    `  fio --name=demo --ioengine=nbd --uri='${live}' --rw=randwrite --bs=4k --iodepth=32 ${area} --runtime=10 --time_based`,
    `  ${TYPED} snapshot list`,
    `  nbdcopy '${snapshotUri}' '${copy}'${check}`,
    `  ${TYPED} merge start demo@before       roll back: clients read what was there, at once`,
    `  ${TYPED} snapshot drop demo@before`,
    `  ${TYPED} watch       what has happened, as it happens; top shows rates`,
  ];
}
