/**
 * Operations: how far they are, waited for, cancelled. They are begun by the routes of what they are about.
 */
import type { Daemon } from "../daemon/daemon.ts";
import { responses } from "./answers.ts";
import type { App } from "./app.ts";
import { Operation, OperationList, OperationParams, WaitQuery } from "./schemas.ts";

export function operationRoutes(app: App, { operations }: Daemon): void {
  app.get(
    "/operations",
    {
      schema: { summary: "Those under way, and the last that have ended", response: responses({ 200: OperationList }) },
    },
    () => ({ operations: operations.list() }),
  );

  app.get(
    "/operations/:id",
    {
      schema: {
        summary: "An operation, now or when it has ended",
        params: OperationParams,
        querystring: WaitQuery,
        response: responses({ 200: Operation }),
      },
    },
    async ({ params: { id }, query: { wait }, raw }) => {
      if (wait === undefined) return operations.get(id);
      const gone = new AbortController();
      raw.once("close", () => gone.abort());
      return await operations.wait(id, wait, gone.signal);
    },
  );

  app.delete(
    "/operations/:id",
    {
      schema: {
        summary: "Cancel it: it ends as soon as it can, and what it has done stays",
        params: OperationParams,
        response: responses({ 202: Operation }),
      },
    },
    async ({ params: { id } }, reply) => await reply.code(202).send(await operations.cancel(id)),
  );
}
