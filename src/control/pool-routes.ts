/**
 * Pools: folders in which COW files are made, named, looked at and forgotten. What is in a folder stays there.
 */
import type { Daemon } from "../daemon/daemon.ts";
import { Nothing, responses } from "./answers.ts";
import type { App } from "./app.ts";
import { NameParams, Pool, PoolBody, PoolList } from "./schemas.ts";

export function poolRoutes(app: App, { pools }: Daemon): void {
  app.get("/pools", { schema: { summary: "All pools", response: responses({ 200: PoolList }) } }, async () => ({
    pools: await pools.list(),
  }));

  app.get(
    "/pools/:name",
    { schema: { summary: "A pool", params: NameParams, response: responses({ 200: Pool }) } },
    ({ params }) => pools.get(params.name),
  );

  app.put(
    "/pools/:name",
    {
      schema: {
        summary: "Name a folder in which COW files are made; the same again changes nothing",
        params: NameParams,
        body: PoolBody,
        response: responses({ 200: Pool, 201: Pool }),
      },
    },
    async ({ params: { name }, body }, reply) => {
      const isNew = await pools.create(name, { ...body, space: body.space ?? "reserved" });
      return await reply.code(isNew ? 201 : 200).send(await pools.get(name));
    },
  );

  app.delete(
    "/pools/:name",
    {
      schema: {
        summary: "Forget a pool that has no snapshots",
        params: NameParams,
        response: responses({ 204: Nothing }),
      },
    },
    async ({ params }, reply) => {
      await pools.remove(params.name);
      return await reply.code(204).send(null);
    },
  );
}
