/**
 * Many volumes in one process, for a bench: an engine with any options of the library.
 *
 *   node engine-server.js '{"engine": {"listen": […]}, "volumes": [{"name": …, "origin": …, "snapshots": […]}, …]}'
 *
 * It answers the signals that `serve` answers for a bench: SIGUSR1 with its statistics, those of the snapshots of all volumes in one list, SIGTERM with
 * its end.
 */
import { type EngineOptions, type EngineVolumeOptions, openEngine } from "../src/index.ts";

interface Arguments {
  readonly engine: EngineOptions;
  readonly volumes: readonly EngineVolumeOptions[];
}

const { engine: options, volumes } = JSON.parse(process.argv[2]) as Arguments;
const engine = await openEngine({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
for (const volume of volumes) await engine.openVolume(volume);
process.on("SIGUSR1", () => {
  const snapshots = [...engine.volumes.values()].flatMap((volume) => volume.stats().snapshots);
  process.stdout.write(`${JSON.stringify({ stats: { workers: engine.stats().workers, snapshots } })}\n`);
});
process.once("SIGTERM", () => {
  void engine.close();
});
