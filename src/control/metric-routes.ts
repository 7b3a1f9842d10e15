/**
 * The metrics, on the control socket and, when asked for, on a port of loopback for Prometheus, where there is nothing else.
 */
import type { FastifyReply } from "fastify";
import type { Daemon } from "../daemon/daemon.ts";
import type { App } from "./app.ts";
import { type MetricSources, processFigures } from "./metric-sources.ts";
import { METRICS_TYPE, metricsText } from "./metrics.ts";

/** `droppedLogLines`: of the daemon's log. */
export function metricRoutes(app: App, daemon: Daemon, droppedLogLines: () => number): void {
  app.get(
    "/metrics",
    { schema: { summary: "Metrics, in OpenMetrics' text format" } },
    async (_request, reply: FastifyReply) => {
      const text = await metricsText(sourcesOf(daemon, droppedLogLines()));
      return await reply.type(METRICS_TYPE).serializer(String).send(text);
    },
  );
}

/** As they are now. */
export function sourcesOf(daemon: Daemon, droppedLogLines: number): MetricSources {
  const operations: Record<string, number> = {};
  for (const { state } of daemon.operations.list()) operations[state] = (operations[state] ?? 0) + 1;
  return {
    daemon: {
      ...processFigures(),
      version: daemon.status().version,
      droppedLogLines,
      operations,
      engineRunning: daemon.engine.failure === undefined ? 1 : 0,
    },
    engine: daemon.engine.stats(),
    volumes: daemon.volumes.all.map(({ name, state, opened }) => ({
      name,
      state: state === "closing" ? "closed" : state,
      stats: opened?.stats(),
    })),
  };
}
