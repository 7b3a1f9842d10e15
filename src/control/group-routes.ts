/**
 * Groups of snapshots: one point in time over several volumes.
 */
import { Type } from "typebox";
import type { Daemon } from "../daemon/daemon.ts";
import { Nothing, responses } from "./answers.ts";
import type { App } from "./app.ts";
import { DryRun, DryRunQuery, Group, GroupBody, GroupList, NameParams, OperationList } from "./schemas.ts";

export function groupRoutes(app: App, { groups }: Daemon): void {
  app.get("/groups", { schema: { summary: "All groups", response: responses({ 200: GroupList }) } }, () => ({
    groups: groups.list(),
  }));

  app.get(
    "/groups/:name",
    { schema: { summary: "A group", params: NameParams, response: responses({ 200: Group }) } },
    ({ params }) => groups.get(params.name),
  );

  app.put(
    "/groups/:name",
    {
      schema: {
        summary: "Make a snapshot of several volumes at one moment; the same again is the same answer",
        params: NameParams,
        querystring: DryRunQuery,
        body: GroupBody,
        response: responses({ 200: Type.Union([Group, DryRun]), 201: Group }),
      },
    },
    async ({ params, query, body }, reply) => {
      const members = body.members.map(({ volume, snapshot, ...spec }) => ({ volume, snapshot, spec }));
      if (query.dryRun === true) return await reply.send(await groups.wouldCreate(params.name, members));
      const { isNew, group, pauseUs } = await groups.create(params.name, members);
      return await reply.code(isNew ? 201 : 200).send({ ...group, ...(pauseUs === undefined ? {} : { pauseUs }) });
    },
  );

  app.delete(
    "/groups/:name",
    {
      schema: {
        summary: "Drop all of its snapshots: an operation for each",
        params: NameParams,
        querystring: DryRunQuery,
        response: responses({ 200: DryRun, 202: OperationList, 204: Nothing }),
      },
    },
    async ({ params, query }, reply) => {
      const would = query.dryRun === true ? groups.wouldDrop(params.name) : undefined;
      if (query.dryRun === true) return await (would === undefined ? reply.code(204).send(null) : reply.send(would));
      const operations = await groups.drop(params.name);
      if (operations.length === 0) return await reply.code(204).send(null);
      return await reply.code(202).send({ operations });
    },
  );
}
