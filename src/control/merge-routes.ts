/**
 * The merge of a volume: rolls it back to a snapshot while clients are connected. One at a time in a volume.
 */
import type { Daemon } from "../daemon/daemon.ts";
import { responses } from "./answers.ts";
import type { App } from "./app.ts";
import {
  DryRun,
  DryRunQuery,
  KeyHeader,
  MergeBody,
  MergeChange,
  Operation,
  SnapshotParams,
  VolumeParams,
} from "./schemas.ts";

export function mergeRoutes(app: App, { merges }: Daemon): void {
  app.post(
    "/volumes/:volume/snapshots/:snapshot/merge",
    {
      schema: {
        summary: "Roll the live volume back to this snapshot",
        params: SnapshotParams,
        querystring: DryRunQuery,
        headers: KeyHeader,
        body: MergeBody,
        response: responses({ 200: DryRun, 202: Operation }),
      },
    },
    async ({ params: { volume, snapshot }, query, headers, body: { throttle } }, reply) => {
      if (query.dryRun === true) return await reply.send(merges.wouldStart(volume, snapshot));
      const operation = await merges.start(volume, snapshot, { throttle, key: headers["idempotency-key"] });
      return await reply.code(202).send(operation);
    },
  );

  app.get(
    "/volumes/:volume/merge",
    { schema: { summary: "The merge under way", params: VolumeParams, response: responses({ 200: Operation }) } },
    ({ params }) => merges.status(params.volume),
  );

  app.patch(
    "/volumes/:volume/merge",
    {
      schema: {
        summary: "Pause it, let it go on, or give it another share of the time",
        params: VolumeParams,
        body: MergeChange,
        response: responses({ 200: Operation }),
      },
    },
    ({ params, body }) => merges.set(params.volume, body),
  );
}
