/**
 * Snapshots: made, looked at, treated otherwise, grown and dropped. What needs space can be asked what it would do first (`dryRun`).
 */
import { Type } from "typebox";
import type { Daemon } from "../daemon/daemon.ts";
import { Nothing, responses } from "./answers.ts";
import type { App } from "./app.ts";
import {
  DryRun,
  DryRunQuery,
  GrowBody,
  Operation,
  PolicyBody,
  Snapshot,
  SnapshotBody,
  SnapshotList,
  SnapshotParams,
  VolumeParams,
} from "./schemas.ts";

const ALL = "/snapshots";
const OF_VOLUME = "/volumes/:volume/snapshots";
const ONE = `${OF_VOLUME}/:snapshot`;

export function snapshotRoutes(app: App, daemon: Daemon): void {
  readRoutes(app, daemon);
  changeRoutes(app, daemon);
}

function readRoutes(app: App, { snapshots }: Daemon): void {
  app.get(
    ALL,
    { schema: { summary: "Snapshots of all volumes that are open", response: responses({ 200: SnapshotList }) } },
    () => ({
      snapshots: snapshots.list(),
    }),
  );

  app.get(
    OF_VOLUME,
    { schema: { summary: "Snapshots of a volume", params: VolumeParams, response: responses({ 200: SnapshotList }) } },
    ({ params }) => ({ snapshots: snapshots.list(params.volume) }),
  );

  app.get(
    ONE,
    { schema: { summary: "A snapshot", params: SnapshotParams, response: responses({ 200: Snapshot }) } },
    ({ params }) => snapshots.get(params.volume, params.snapshot),
  );
}

function changeRoutes(app: App, { snapshots, operations }: Daemon): void {
  app.put(
    ONE,
    {
      schema: {
        summary: "Make a snapshot of this moment; the same again is the same answer",
        params: SnapshotParams,
        querystring: DryRunQuery,
        body: SnapshotBody,
        response: responses({ 200: Type.Union([Snapshot, DryRun]), 201: Snapshot }),
      },
    },
    async ({ params: { volume, snapshot }, query, body }, reply) => {
      if (query.dryRun === true) return await reply.send(await snapshots.wouldCreate(volume, snapshot, body));
      const created = await snapshots.create(volume, snapshot, body);
      const pause = created.pauseUs === undefined ? {} : { pauseUs: created.pauseUs };
      return await reply.code(created.isNew ? 201 : 200).send({ ...created.snapshot, ...pause });
    },
  );

  app.patch(
    ONE,
    {
      schema: {
        summary: "How it grows, and what happens when it is full, from now on",
        params: SnapshotParams,
        body: PolicyBody,
        response: responses({ 200: Snapshot }),
      },
    },
    ({ params: { volume, snapshot }, body }) => snapshots.setPolicy(volume, snapshot, body),
  );

  app.delete(
    ONE,
    {
      schema: {
        summary: "Drop a snapshot, for good",
        params: SnapshotParams,
        querystring: DryRunQuery,
        response: responses({ 200: DryRun, 202: Operation, 204: Nothing }),
      },
    },
    async ({ params: { volume, snapshot }, query }, reply) => {
      const would = snapshots.wouldDrop(volume, snapshot);
      if (would === undefined) return await reply.code(204).send(null);
      if (query.dryRun === true) return await reply.send(would);
      const operation = await operations.start("drop", { volume, snapshot }, { cow: would.path });
      return await reply.code(202).send(operation);
    },
  );

  app.post(
    `${ONE}/grow`,
    {
      schema: {
        summary: "Make its COW file larger, or take over the size that its device has now",
        params: SnapshotParams,
        querystring: DryRunQuery,
        body: GrowBody,
        response: responses({ 200: DryRun, 202: Operation }),
      },
    },
    async ({ params: { volume, snapshot }, query, body: { size } }, reply) => {
      const has = snapshots.get(volume, snapshot).sizeBytes;
      const would = await snapshots.wouldGrow(volume, snapshot, size ?? has);
      if (query.dryRun === true) return await reply.send(would);
      const operation = await operations.start("grow", { volume, snapshot }, size === undefined ? {} : { size });
      return await reply.code(202).send(operation);
    },
  );
}
