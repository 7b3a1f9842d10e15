/**
 * Thread entry of the metadata worker.
 *
 *   arena: │ wake 8 B … page │ zeroes │ image slots, filled and read by main │
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { waker } from "../src/device/wake-handle.ts";
import { METADATA_IMAGES, METADATA_ZERO_BYTES, METADATA_ZEROES } from "../src/ring/metadata-arena.ts";
import { Outbox } from "../src/ring/outbox.ts";
import { RingConsumer } from "../src/ring/spsc-ring.ts";
import { drive } from "./drive.ts";
import { MetadataLoop } from "./metadata/metadata-loop.ts";
import { takeFiles } from "./take-files.ts";
import { openWorkerRing } from "./worker-ring.ts";
import type { FileControl, WorkerData } from "../src/ring/worker-data.ts";

const CAPACITY = 1024;
const JOBS = 256;

const data = workerData as WorkerData & { readonly port: MessagePort };
const ring = openWorkerRing(data, CAPACITY, METADATA_IMAGES);
const loop = new MetadataLoop({
  ring,
  inbox: new RingConsumer(data.toWorker),
  outbox: new Outbox(data.toMain, waker(data.wakeMain)),
  counters: new Float64Array(data.counters),
  wakeAddress: 0,
  zeroAddress: METADATA_ZEROES,
  zeroBytes: METADATA_ZERO_BYTES,
  jobs: JOBS,
  control: () => takeFiles(ring, receiveMessageOnPort(data.port)?.message as FileControl),
});
parentPort?.postMessage({ ready: ring.kind });
await drive(loop, ring);
ring.close();
data.port.close();
