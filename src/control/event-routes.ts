/**
 * Events as they come, server-sent: who comes back with `Last-Event-ID` misses nothing that the journal has, and is told of what it has not (`gap`).
 *
 *   GET /v1/events[?volume=NAME][&after=ID]
 *     id: 18
 *     data: {"id":18,"time":…,"type":"snapshot-created",…}
 *
 * A client that does not read is cut off: it comes back with its last id. A comment now and then shows that the daemon is there, with the last id (event-stream.ts).
 * A volume that is not there, and of which the journal knows nothing, is refused: who has mistyped its name would wait for ever.
 */
import type { ServerResponse } from "node:http";
import { Type } from "typebox";
import type { Daemon } from "../daemon/daemon.ts";
import type { App } from "./app.ts";
import { EventStream } from "./event-stream.ts";

const Query = Type.Object(
  {
    volume: Type.Optional(Type.String({ description: "Only what is about this volume, and gaps" })),
    after: Type.Optional(Type.Integer({ minimum: 0, description: "As Last-Event-ID" })),
  },
  { additionalProperties: false },
);

export function eventRoutes(app: App, { journal, volumes }: Daemon): void {
  const streams = new Set<ServerResponse>();
  app.addHook("preClose", async () => {
    for (const stream of streams) stream.end();
  });
  app.get(
    "/events",
    {
      schema: {
        summary: "Events as they come (text/event-stream); those behind Last-Event-ID first",
        querystring: Query,
        headers: Type.Object(
          { "last-event-id": Type.Optional(Type.Integer({ minimum: 0 })) },
          { additionalProperties: true },
        ),
      },
    },
    ({ query: { volume, after }, headers }, reply) => {
      if (volume !== undefined && journal.find((event) => event.volume === volume) === undefined) volumes.get(volume);
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      streams.add(raw);
      raw.once("close", () => streams.delete(raw));
      void new EventStream(journal, raw, volume).begin(headers["last-event-id"] ?? after);
    },
  );
}
