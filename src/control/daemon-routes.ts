/**
 * Of the daemon as a whole: what it is just now, and how it is spoken to.
 */
import { Type } from "typebox";
import type { Daemon } from "../daemon/daemon.ts";
import { responses } from "./answers.ts";
import type { App } from "./app.ts";
import { Status } from "./schemas.ts";

export function daemonRoutes(app: App, daemon: Daemon): void {
  app.get("", { schema: { summary: "What the daemon is just now", response: responses({ 200: Status }) } }, () =>
    daemon.status(),
  );

  app.get(
    "/openapi.json",
    {
      schema: {
        summary: "This description",
        response: responses({ 200: Type.Object({}, { additionalProperties: true }) }),
      },
    },
    () => app.swagger(),
  );

  app.get(
    "/stats",
    {
      schema: {
        summary: "Counters of the engine",
        response: responses({ 200: Type.Object({}, { additionalProperties: true }) }),
      },
    },
    () => daemon.engine.stats(),
  );
}
