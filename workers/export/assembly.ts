/**
 * Puts one export worker together from what main sent: arena, ring, loop, and the control messages that change what it knows.
 *
 *   main: control message            worker
 *   volume ───────────────────────▶ ServedVolume, its exports, its live volume's handler
 *     snapshot ───────────────────▶ ServedSnapshot, its handler
 *     forget ─────────────────────▶ its table and device are let go
 *   forgetVolume ─────────────────▶ … and those of all that is left of a volume that has stopped
 */
import { ORIGIN_EXPORT } from "../../src/base/constants.ts";
import { assert } from "../../src/base/assert.ts";
import { FileKind, type IoRing } from "../../src/device/port.ts";
import { exportCounters } from "../../src/ring/counters.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import {
  EXPORT_CONNECTIONS,
  EXPORT_HEADERS,
  EXPORT_SLOTS,
  EXPORT_SLOTS_AT,
  EXPORT_ZERO_BYTES,
  EXPORT_ZEROES,
} from "../../src/ring/export-arena.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import { RingConsumer } from "../../src/ring/spsc-ring.ts";
import type { ExportControl, ExportWorkerData, WorkerData } from "../../src/ring/worker-data.ts";
import { ExportContext } from "./context.ts";
import { AllExports, Exports, newExport } from "./exports.ts";
import { ExportLoop } from "./loop.ts";
import { MergingHandler } from "./merging-handler.ts";
import { OriginHandler } from "./origin-handler.ts";
import { OwnedSlots } from "./owned-slots.ts";
import { SnapshotHandler } from "./snapshot-handler.ts";
import { ServedSnapshot } from "./served-snapshot.ts";
import { ServedVolume } from "./served-volume.ts";

type Control<Kind extends ExportControl["kind"]> = Extract<ExportControl, { readonly kind: Kind }>;

export function assembleExportLoop(
  data: WorkerData & ExportWorkerData,
  ring: IoRing,
  wakeMain: () => void,
  takeControl: () => ExportControl,
): ExportLoop {
  const context = new ExportContext({
    ring,
    outbox: new Outbox(data.toMain, wakeMain),
    slots: new OwnedSlots(EXPORT_SLOTS, EXPORT_SLOTS_AT),
    zeroAddress: EXPORT_ZEROES,
    zeroBytes: EXPORT_ZERO_BYTES,
    connections: EXPORT_CONNECTIONS,
    counters: new Float64Array(data.counters),
  });
  const exports: (Exports | undefined)[] = [];
  const allExports = new AllExports();
  const loop = new ExportLoop({
    context,
    inbox: new RingConsumer(data.toWorker),
    arena: data.arena,
    exports,
    allExports,
    wakeAddress: 0,
    headers: EXPORT_HEADERS,
    control: () => controls.apply(takeControl()),
  });
  const controls = new Controls(loop, data.worker, exports, allExports);
  return loop;
}

class Controls {
  readonly #loop: ExportLoop;
  readonly #context: ExportContext;
  readonly #worker: number;
  readonly #exports: (Exports | undefined)[];
  readonly #allExports: AllExports;
  readonly #finish: ExportLoop["pieces"]["finish"];

  constructor(loop: ExportLoop, worker: number, exports: (Exports | undefined)[], allExports: AllExports) {
    this.#loop = loop;
    this.#context = loop.context;
    this.#worker = worker;
    this.#exports = exports;
    this.#allExports = allExports;
    this.#finish = loop.pieces.finish.bind(loop.pieces);
  }

  apply(control: ExportControl): void {
    switch (control.kind) {
      case "volume":
        return this.#serve(control);
      case "snapshot":
        return this.#introduce(control);
      case "forget":
        return this.#forget(control);
      case "forgetVolume":
        return this.#forgetVolume(control.volume);
    }
  }

  #serve({ volume: description, fd, readOnly }: Control<"volume">): void {
    const context = this.#context;
    const { number, name, origin, originBytes } = description;
    assert(context.volumes[number] === undefined, "two volumes have one number");
    context.ring.setFile(origin.file, fd, origin.inline ? FileKind.Inline : FileKind.Async);
    const volume = new ServedVolume(description, this.#worker);
    const { pieceIo, firstWrite } = this.#loop;
    const merging = new MergingHandler(context, volume, pieceIo);
    const counters = exportCounters(description.counters, this.#worker);
    const handler = new OriginHandler(context, volume, counters, pieceIo, firstWrite, merging, this.#finish);
    const exports = new Exports(name);
    exports.add(newExport(ORIGIN_EXPORT, originBytes, readOnly, PAGE_BYTES, handler));
    context.volumes[number] = volume;
    this.#exports[number] = exports;
    this.#allExports.add(exports);
  }

  #introduce({ volume: number, snapshot, fd, readOnly }: Control<"snapshot">): void {
    const context = this.#context;
    const volume = this.#context.volume(number);
    const { file, inline } = snapshot.cow;
    context.ring.setFile(file, fd, inline ? FileKind.Inline : FileKind.Async);
    const view = new ServedSnapshot(snapshot, volume.words, this.#worker);
    volume.snapshots[snapshot.index] = view;
    const handler = new SnapshotHandler(context, volume, this.#loop.pieceIo, this.#loop.firstWrite, view, this.#finish);
    const { name, chunkBytes } = snapshot;
    this.#exports[number]?.add(newExport(name, volume.originBytes, readOnly, chunkBytes, handler));
  }

  /** Nothing where the worker could not take it. */
  #forget({ volume: number, index, name }: Control<"forget">): void {
    const volume = this.#context.volume(number);
    this.#exports[number]?.remove(name);
    this.#letGo(volume, index);
  }

  /** Nothing where the worker could not take it. */
  #forgetVolume(number: number): void {
    const volume = this.#context.volumes[number];
    if (volume === undefined) return;
    assert(volume.clients === 0 && volume.requests === 0, "a volume was taken away from its clients");
    const exports = this.#exports[volume.number];
    if (exports !== undefined) this.#allExports.remove(exports);
    this.#exports[volume.number] = undefined;
    for (let index = 0; index < volume.snapshots.length; index++) this.#letGo(volume, index);
    this.#context.ring.setFile(volume.origin.file, -1, FileKind.Async);
    this.#context.volumes[volume.number] = undefined;
  }

  #letGo(volume: ServedVolume, index: number): void {
    const snapshot = volume.snapshots[index];
    if (snapshot === undefined) return;
    snapshot.forget();
    volume.snapshots[index] = undefined;
    this.#context.ring.setFile(snapshot.cow.file, -1, FileKind.Async);
  }
}
