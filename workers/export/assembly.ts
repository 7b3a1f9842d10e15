/**
 * Puts one export worker together from what main sent: arena, ring, loop, and the control messages that change what it knows.
 */
import { FileKind, type IoRing } from "../../src/device/port.ts";
import { exportRow } from "../../src/ring/counters.ts";
import { cowFile } from "../../src/ring/file-table.ts";
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
import { VolumeReader } from "../../src/ring/volume-words.ts";
import { ExportContext } from "./context.ts";
import { DeviceView } from "./device-view.ts";
import { Exports, newExport, ORIGIN_NAME } from "./exports.ts";
import { ExportLoop } from "./loop.ts";
import { MergingHandler } from "./merging-handler.ts";
import { OriginHandler } from "./origin-handler.ts";
import { OwnedSlots } from "./owned-slots.ts";
import { SnapshotHandler } from "./snapshot-handler.ts";
import { ServedSnapshot } from "./served-snapshot.ts";

export function assembleExportLoop(
  data: WorkerData & ExportWorkerData,
  ring: IoRing,
  wakeMain: () => void,
  takeControl: () => ExportControl,
): ExportLoop {
  const volume = new VolumeReader(data.volume, data.worker);
  const context = new ExportContext({
    ring,
    outbox: new Outbox(data.toMain, wakeMain),
    volume,
    slots: new OwnedSlots(EXPORT_SLOTS, EXPORT_SLOTS_AT),
    origin: new DeviceView(data.origin),
    originBytes: data.originBytes,
    zeroAddress: EXPORT_ZEROES,
    zeroBytes: EXPORT_ZERO_BYTES,
    connections: EXPORT_CONNECTIONS,
    counters: new Float64Array(data.counters),
  });
  const exports = new Exports();
  const loop = new ExportLoop({
    context,
    inbox: new RingConsumer(data.toWorker),
    arena: data.arena,
    exports,
    wakeAddress: 0,
    headers: EXPORT_HEADERS,
    control: () => applyControl(takeControl(), loop, context, exports, data),
  });
  const finish = loop.pieces.finish.bind(loop.pieces);
  const merging = new MergingHandler(context, loop.pieceIo, finish);
  const origin = new OriginHandler(context, loop.pieceIo, loop.firstWrite, merging, finish);
  exports.add(newExport(ORIGIN_NAME, data.originBytes, data.readOnly, PAGE_BYTES, origin));
  return loop;
}

function applyControl(
  control: ExportControl,
  loop: ExportLoop,
  context: ExportContext,
  exports: Exports,
  data: ExportWorkerData,
): void {
  if (control.kind === "forget") {
    exports.remove(control.name);
    context.snapshots[control.index]?.forget();
    context.snapshots[control.index] = undefined;
    context.ring.setFile(cowFile(control.index), -1, FileKind.Async);
    return;
  }
  const { snapshot } = control;
  context.ring.setFile(snapshot.cow.file, control.fd, snapshot.cow.inline ? FileKind.Inline : FileKind.Async);
  // Of another that had this index before.
  context.counters.fill(0, exportRow(1 + snapshot.index), exportRow(2 + snapshot.index));
  const view = new ServedSnapshot(snapshot, context.volume);
  context.snapshots[snapshot.index] = view;
  const finish = loop.pieces.finish.bind(loop.pieces);
  const handler = new SnapshotHandler(context, loop.pieceIo, loop.firstWrite, view, finish);
  exports.add(newExport(snapshot.name, data.originBytes, control.readOnly, snapshot.chunkBytes, handler));
}
