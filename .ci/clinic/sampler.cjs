/**
 * What clinic doctor loads into a program that it watches, on the main thread only. Node loads such modules into worker threads as
 * well; there the sampler would open, and thereby empty, the file that the main thread's sampler writes.
 */
if (require("node:worker_threads").isMainThread) require("@clinic/doctor/injects/sampler.js");
