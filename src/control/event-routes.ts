/**
 * Events as they come, server-sent: who comes back with `Last-Event-ID` misses nothing that the journal has, and is told of what it has not (`gap`).
 *
 *   GET /v1/events[?volume=NAME][&after=ID]
 *     id: 18
 *     data: {"id":18,"time":…,"type":"snapshot-created",…}
 *
 * A client that does not read is cut off: it comes back with its last id. A comment now and then shows that the daemon is there.
 */
import type { ServerResponse } from "node:http";
import { Type } from "typebox";
import type { DaemonEvent } from "../daemon/daemon-event.ts";
import type { Daemon } from "../daemon/daemon.ts";
import type { App } from "./app.ts";

const BEAT_MS = 15_000;
const UNREAD_BYTES_MAX = 1024 * 1024;

const Query = Type.Object({
  volume: Type.Optional(Type.String({ description: "Only what is about this volume, and gaps" })),
  after: Type.Optional(Type.Integer({ minimum: 0, description: "As Last-Event-ID" })),
});

export function eventRoutes(app: App, { journal }: Daemon): void {
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
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      const tell = (event: DaemonEvent): void => {
        if (volume !== undefined && event.volume !== volume && event.type !== "gap") return;
        raw.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
        if (raw.writableLength > UNREAD_BYTES_MAX) raw.destroy();
      };
      const from = headers["last-event-id"] ?? after;
      raw.write(`: events\n\n`);
      if (from !== undefined) for (const event of journal.since(from)) tell(event);
      const end = journal.listen(tell);
      const beat = setInterval(() => raw.write(": still here\n\n"), BEAT_MS);
      streams.add(raw);
      raw.once("close", () => {
        end();
        clearInterval(beat);
        streams.delete(raw);
      });
    },
  );
}
