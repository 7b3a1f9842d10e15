/**
 * Thread entry of a copy worker: turns a copy loop until main stops it.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { waker } from "../src/device/wake-handle.ts";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT } from "../src/ring/copy-arena.ts";
import { Outbox } from "../src/ring/outbox.ts";
import { RingConsumer } from "../src/ring/spsc-ring.ts";
import { CopyLoop } from "./copy/copy-loop.ts";
import { SegmentShares } from "./copy/segment-shares.ts";
import { drive } from "./drive.ts";
import { takeFiles } from "./take-files.ts";
import { openWorkerRing } from "./worker-ring.ts";
import type { FileControl, WorkerData } from "../src/ring/worker-data.ts";

/** A segment has one read, or a write for each of up to 31 targets, under way. */
const CAPACITY = 4096;

const data = workerData as WorkerData & { readonly port: MessagePort };
const ring = openWorkerRing(data, CAPACITY, COPY_ARENA_BYTES);
const shares = new SegmentShares(COPY_SEGMENTS);
const loop = new CopyLoop({
  ring,
  inbox: new RingConsumer(data.toWorker),
  outbox: new Outbox(data.toMain, waker(data.wakeMain)),
  counters: new Float64Array(data.counters),
  wakeAddress: 0,
  slots: COPY_SLOTS_AT,
  segments: COPY_SEGMENTS,
  shares,
  control: () => {
    const control = receiveMessageOnPort(data.port)?.message as FileControl;
    takeFiles(ring, control);
    shares.filesChanged(control);
  },
});
parentPort?.postMessage({ ready: ring.kind });
await drive(loop, ring);
ring.close();
data.port.close();
