/**
 * A server with any option of the library, for settings that the command line does not have:
 *
 *   node settings-server.js '{"origin": …, "snapshots": […], "listen": […], "groupWaitMs": 5}'
 *
 * It answers the signals that `serve` answers for a bench: SIGUSR1 with its statistics, SIGTERM with its end.
 */
import { openVolume, type VolumeOptions } from "../src/index.ts";

const options = JSON.parse(process.argv[2]) as VolumeOptions;
const volume = await openVolume({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
process.on("SIGUSR1", () => process.stdout.write(`${JSON.stringify({ stats: volume.stats() })}\n`));
process.once("SIGTERM", () => {
  void volume.close();
});
