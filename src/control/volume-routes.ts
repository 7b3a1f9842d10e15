/**
 * Volumes: added and removed, opened again where they have failed, and their figures.
 */
import { Type } from "typebox";
import type { Daemon } from "../daemon/daemon.ts";
import { Nothing, responses } from "./answers.ts";
import type { App } from "./app.ts";
import { ForceQuery, OpenBody, Volume, VolumeBody, VolumeList, VolumeParams } from "./schemas.ts";

export function volumeRoutes(app: App, { volumes }: Daemon): void {
  app.get("/volumes", { schema: { summary: "All volumes", response: responses({ 200: VolumeList }) } }, () => ({
    volumes: volumes.list(),
  }));

  app.get(
    "/volumes/:volume",
    { schema: { summary: "A volume", params: VolumeParams, response: responses({ 200: Volume }) } },
    ({ params }) => volumes.view(volumes.get(params.volume)),
  );

  app.put(
    "/volumes/:volume",
    {
      schema: {
        summary: "Add a volume, and open it; the same again changes nothing",
        params: VolumeParams,
        body: VolumeBody,
        response: responses({ 200: Volume, 201: Volume }),
      },
    },
    async ({ params: { volume }, body }, reply) => {
      const isNew = await volumes.add(volume, body);
      return await reply.code(isNew ? 201 : 200).send(volumes.view(volumes.get(volume)));
    },
  );

  app.post(
    "/volumes/:volume/open",
    {
      schema: {
        summary: "Open a volume that has failed",
        params: VolumeParams,
        body: OpenBody,
        response: responses({ 200: Volume }),
      },
    },
    async ({ params: { volume }, body }) => {
      await volumes.open(volume, body);
      return volumes.view(volumes.get(volume));
    },
  );

  app.delete(
    "/volumes/:volume",
    {
      schema: {
        summary: "Close a volume, and forget it; its files and its snapshots' stay as they are",
        params: VolumeParams,
        querystring: ForceQuery,
        response: responses({ 204: Nothing }),
      },
    },
    async ({ params, query }, reply) => {
      await volumes.remove(params.volume, query);
      return await reply.code(204).send(null);
    },
  );

  app.get(
    "/volumes/:volume/stats",
    {
      schema: {
        summary: "Counters of a volume, as the library has them (VolumeStats)",
        params: VolumeParams,
        response: responses({ 200: Type.Object({}, { additionalProperties: true }) }),
      },
    },
    ({ params }) => volumes.get(params.volume).volume.stats(),
  );
}
