/**
 * The client of the daemon's control socket, for the commands that speak to it: one request each, JSON both ways, and the stream of events.
 *
 *   command ─▶ HTTP on the Unix socket ─▶ daemon        what it refuses is a ControlError, in its own words
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { setTimeout } from "node:timers/promises";
import { SnapringError } from "../base/errno.ts";

const TRIES_MAX = 30;
const AGAIN_MS = 1000;

/** What a refusal of the daemon looks like (RFC 9457). */
interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  readonly hint?: string;
}

/** The daemon has refused it. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code: string;
  readonly hint: string | undefined;
  /** As it was sent. */
  readonly problem: object;
  /** The request itself was wrong. */
  readonly isUsage: boolean;

  constructor(problem: Problem) {
    super(problem.detail);
    this.code = problem.code;
    this.hint = problem.hint;
    this.problem = problem;
    this.isUsage = problem.status === 400;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface Event {
  readonly id: number;
  readonly time: string;
  readonly type: string;
  readonly volume?: string;
  readonly snapshot?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A path of the API of names, each percent-encoded. */
export function pathOf(...names: readonly string[]): string {
  return `/v1/${names.map(encodeURIComponent).join("/")}`;
}

export class ControlClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Rejects with a ControlError, or a SnapringError where no daemon answers. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await this.#send(method, path, body, headers);
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    const value: unknown = text === "" ? undefined : JSON.parse(text);
    if (status >= 400) throw new ControlError(value as Problem);
    return { status, body: value };
  }

  /** As `ask`, of what must not be done twice: asked again, under the same `key`, while the daemon goes and comes back. */
  async askOnce(method: string, path: string, body: unknown, key: string): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.ask(method, path, body, { "idempotency-key": key });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // One that has never been there is a wrong address.
        const isGone = code === "EIO" || code === "ECONNRESET" || (code === "ENOENT" && tries > 1);
        if (!isGone || tries === TRIES_MAX || error instanceof ControlError) throw error;
      }
      await setTimeout(AGAIN_MS);
    }
  }

  /**
   * Each event behind `after`, as they come, until the daemon ends. `seen`: the id from which to go on, also behind events that are not told here. Rejects as `ask`
   * does.
   */
  async *events(
    query: string,
    after: number | undefined,
    seen: (id: number) => void = () => {},
  ): AsyncGenerator<Event> {
    const headers = after === undefined ? {} : { "last-event-id": String(after) };
    const response = await this.#send("GET", `/v1/events${query}`, undefined, headers);
    if ((response.statusCode ?? 0) >= 400) throw new ControlError(JSON.parse(await textOf(response)) as Problem);
    response.setEncoding("utf8");
    let rest = "";
    let id: number | undefined;
    for await (const part of response as AsyncIterable<string>) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("id: ")) id = Number(line.slice("id: ".length));
        if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length)) as Event;
        // Only here the event is whole.
        if (line === "" && id !== undefined) seen(id);
      }
    }
  }

  #send(
    method: string,
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const typed = text === undefined ? headers : { ...headers, "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = request({ socketPath: this.#socketPath, method, path, headers: typed }, resolve);
      sent.once("error", (error: NodeJS.ErrnoException) => reject(notThere(this.#socketPath, error)));
      sent.end(text);
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const part of response as AsyncIterable<string>) text += part;
  return text;
}

function notThere(path: string, error: NodeJS.ErrnoException): SnapringError {
  if (error.code === "EACCES")
    return new SnapringError("EACCES", `may not speak to the daemon at ${path}`, {
      hint: "be its user, or in the group of its socket",
      cause: error,
    });
  const isAbsent = error.code === "ENOENT" || error.code === "ECONNREFUSED";
  const what = isAbsent ? `no daemon listens at ${path}` : `the daemon at ${path} does not answer: ${error.message}`;
  return new SnapringError(isAbsent ? "ENOENT" : "EIO", what, {
    hint: isAbsent ? "start it (snapring daemon), or say where: --control unix:PATH, SNAPRING_CONTROL" : undefined,
    cause: error,
  });
}
