/**
 * The application of the control socket: what every route has in common.
 *
 *   request ─▶ its schema ─▶ a verb of the daemon ─▶ JSON
 *                └─ wrong ─┐      └─ refuses ─▶ Problem, application/problem+json (RFC 9457)
 *
 * State is read without waiting for work; what takes long is an operation. It has no rule of its own.
 */
import type { Socket } from "node:net";
import swagger from "@fastify/swagger";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import type { Daemon } from "../daemon/daemon.ts";
import { Problem, problemOf } from "../daemon/problem.ts";
import { daemonRoutes } from "./daemon-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { groupRoutes } from "./group-routes.ts";
import { mergeRoutes } from "./merge-routes.ts";
import { metricRoutes } from "./metric-routes.ts";
import { takeUpgrades } from "./nbd-upgrade.ts";
import { operationRoutes } from "./operation-routes.ts";
import { poolRoutes } from "./pool-routes.ts";
import { NoQuery } from "./schemas.ts";
import { refuseSocket } from "./refused-socket.ts";
import { snapshotRoutes } from "./snapshot-routes.ts";
import { volumeRoutes } from "./volume-routes.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** No request of ours is near it. */
const BODY_BYTES_MAX = 1024 * 1024;
/** A request is sent within that time, or its connection goes. */
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** Further ones are closed at once: descriptors are for clients of volumes. */
const CONNECTIONS_MAX = 256;

export interface AppOptions {
  /** A defect of ours, in words. */
  readonly log: (line: string) => void;
  /** Lines that the log could not write. */
  readonly droppedLogLines: () => number;
}

export async function controlApp(daemon: Daemon, options: AppOptions): Promise<App> {
  const app = bareApp(options);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "snapring",
        description: "Control of the snapring daemon, over HTTP on a Unix socket.",
        version: "1",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
    },
  });
  const routes = [
    daemonRoutes,
    volumeRoutes,
    snapshotRoutes,
    groupRoutes,
    mergeRoutes,
    poolRoutes,
    operationRoutes,
    eventRoutes,
  ];
  await app.register(
    async (scope) => {
      // A parameter that is not known is refused: who mistypes dryRun must not have it done.
      scope.addHook("onRoute", (route) => {
        route.schema = { ...route.schema, querystring: route.schema?.querystring ?? NoQuery };
      });
      for (const add of routes) add(scope.withTypeProvider<TypeBoxTypeProvider>(), daemon);
    },
    { prefix: "/v1" },
  );
  metricRoutes(app, daemon, options.droppedLogLines);
  takeUpgrades(app.server, daemon);
  return app;
}

/** With nothing but metrics. */
export async function metricsApp(daemon: Daemon, options: AppOptions): Promise<App> {
  const app = bareApp(options);
  metricRoutes(app, daemon, options.droppedLogLines);
  return app;
}

/** Without routes. */
function bareApp({ log }: AppOptions): App {
  const app: App = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    clientErrorHandler: (error, socket) => {
      // Whoever has gone is told nothing.
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else refuseSocket(socket as Socket, new Problem("bad-request", `that is no request: ${error.message}`));
    },
    // A path that cannot be decoded has no route, and so no handler of errors.
    frameworkErrors: (error, _request, refused) => {
      const reply = refused as unknown as FastifyReply;
      const { details } = asProblem(error);
      void reply.code(details.status).type("application/problem+json").send(JSON.stringify(details));
    },
    // Names may be long, and are percent-encoded.
    routerOptions: { maxParamLength: 16 * 1024 },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = CONNECTIONS_MAX;
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  // What is told is made by us, and may have more than a client knows.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  // What can be left out altogether needs no body.
  app.addHook("preValidation", async (request) => {
    if (request.body === undefined || request.body === null) request.body = {};
  });
  const parse = app.getDefaultJsonParser("error", "error");
  // Some clients say that everything they send is JSON, also nothing.
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body: string, done) => {
    if (body === "") done(null, undefined);
    else parse(request, body, done);
  });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const problem = asProblem(error);
    if (problem.code === "defect") log(`the control socket: ${error.stack ?? error.message}`);
    const { details } = problem;
    return reply.code(details.status).type("application/problem+json").send(details);
  });
  app.setNotFoundHandler((request, reply) => {
    const { details } = new Problem("not-here", `there is nothing at ${request.method} ${request.url}`);
    return reply.code(details.status).type("application/problem+json").send(details);
  });
  return app;
}

/** Where something is missing in the request, its place and why. */
function asProblem(error: FastifyError): Problem {
  if (error instanceof Problem) return error;
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return new Problem("too-large", error.message);
  const isTheirs = error.validation !== undefined || (error.statusCode !== undefined && error.statusCode < 500);
  return isTheirs ? new Problem("bad-request", error.message) : problemOf(error);
}
