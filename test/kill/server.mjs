/**
 * The process that is killed: the library's `openVolume` on the options in its first argument, with orders over the channel.
 *
 *   parent                       here
 *   { id, order, args } ───────▶ volume[order](...args)
 *   ◀────── { id, value } or { id, error }
 *
 * It says "ready" once it serves. Plain JavaScript on the built dist/, so that it starts fast.
 */
import { openVolume } from "../../dist/src/index.js";

const volume = await openVolume({ ...JSON.parse(process.argv[2]), log: () => {} });
process.on("message", async ({ id, order, args }) => {
  try {
    const value = await volume[order](...args);
    process.send({ id, value });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
// Its parent is gone: so is it, whatever its threads wait for.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.send("ready");
