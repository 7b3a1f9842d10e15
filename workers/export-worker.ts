/**
 * Thread entry of an export worker: assembles its loop from what main sent, and turns it until it ends.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { waker } from "../src/device/wake-handle.ts";
import { EXPORT_REGISTERED_BYTES } from "../src/ring/export-arena.ts";
import type { ExportControl, ExportWorkerData, WorkerData } from "../src/ring/worker-data.ts";
import { BusyPoll } from "./busy-poll.ts";
import { drive } from "./drive.ts";
import { assembleExportLoop } from "./export/assembly.ts";
import { openWorkerRing } from "./worker-ring.ts";

/** Pieces, and a receive, a send and a cancel for each connection, always fit. */
const CAPACITY = 8192;

const data = workerData as WorkerData & ExportWorkerData & { readonly port: MessagePort };
const ring = openWorkerRing(data, CAPACITY, EXPORT_REGISTERED_BYTES);
const loop = assembleExportLoop(data, ring, waker(data.wakeMain), () => {
  return receiveMessageOnPort(data.port)?.message as ExportControl;
});
parentPort?.postMessage({ ready: ring.kind });
await drive(loop, ring, data.busyPollUs > 0 ? new BusyPoll(data.busyPollUs, () => performance.now()) : undefined);
ring.close();
data.port.close();
