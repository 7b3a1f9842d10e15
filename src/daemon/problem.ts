/**
 * What a verb of the daemon refuses, or could not do: said so that a program can act on it and a person can read it.
 *
 *   SnapringError, OptionError of the engine ──▶ code (stable), status of HTTP, what a repetition is good for, hint, inner cause
 *   a refusal of the daemon's own            ──▶ the same
 *
 * `retry`: "never": the same request fails again, whatever happens; "after-fix": when somebody has changed what it names (space, rights, another request);
 * "backoff": by itself, after a while.
 */
import { commandHint, SnapringError } from "../base/errno.ts";

export type Retry = "never" | "after-fix" | "backoff";

/** Stable: programs compare them. */
export type ProblemCode = keyof typeof KINDS;

interface Kind {
  readonly status: number;
  readonly title: string;
  readonly retry: Retry;
}

const KINDS = {
  "bad-request": { status: 400, title: "The request is wrong", retry: "never" },
  "not-permitted": { status: 403, title: "Not permitted", retry: "after-fix" },
  "not-found": { status: 404, title: "There is no such thing", retry: "after-fix" },
  "not-here": { status: 404, title: "There is no such path", retry: "never" },
  differs: { status: 409, title: "It is there, and is another one", retry: "never" },
  busy: { status: 409, title: "Something else has it", retry: "after-fix" },
  "not-open": { status: 409, title: "The volume is not open", retry: "after-fix" },
  "in-group": { status: 409, title: "It is a member of a group", retry: "never" },
  merging: { status: 409, title: "A merge is under way", retry: "after-fix" },
  cancelled: { status: 409, title: "It was cancelled", retry: "never" },
  "too-large": { status: 413, title: "The request is too large", retry: "never" },
  refused: { status: 422, title: "It cannot be done", retry: "after-fix" },
  defect: { status: 500, title: "A defect of snapring", retry: "never" },
  "device-failed": { status: 502, title: "A device failed", retry: "after-fix" },
  "short-of-resources": { status: 503, title: "The machine refuses something that it needs", retry: "backoff" },
  closing: { status: 503, title: "It is being closed", retry: "backoff" },
  "device-hangs": { status: 504, title: "A device does not answer", retry: "backoff" },
  "no-room": { status: 507, title: "There is no room", retry: "after-fix" },
  "state-unwritable": { status: 507, title: "The daemon's state cannot be written", retry: "after-fix" },
} as const satisfies Record<string, Kind>;

const CODES: Readonly<Record<string, ProblemCode>> = {
  ...{ ENOENT: "not-found", ENXIO: "not-found", ENODEV: "not-found", EEXIST: "differs", EBUSY: "busy" },
  ...{
    EPERM: "not-permitted",
    EACCES: "not-permitted",
    EROFS: "not-permitted",
    EINVAL: "refused",
    EUSAGE: "bad-request",
  },
  ...{ EADDRINUSE: "busy", ENOTDIR: "refused", EISDIR: "refused", ELOOP: "refused", ENAMETOOLONG: "refused" },
  ...{ ENOSPC: "no-room", EDQUOT: "no-room", EFBIG: "no-room", ETIMEDOUT: "device-hangs", ESHUTDOWN: "closing" },
  ...{
    EMFILE: "short-of-resources",
    ENFILE: "short-of-resources",
    ENOMEM: "short-of-resources",
    EAGAIN: "short-of-resources",
  },
  ...{
    ECANCELED: "cancelled",
    ABORT_ERR: "cancelled",
    EOPNOTSUPP: "refused",
    ENOTSUP: "refused",
    ENOLCK: "refused",
    EIO: "device-failed",
  },
};

/** As it is sent, and remembered with an operation (RFC 9457). */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly retry: Retry;
  readonly hint?: string | undefined;
  /** What it came of: the engine's code, or the system's. */
  readonly cause?: { readonly code: string; readonly message: string } | undefined;
}

export interface ProblemOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly retry?: Retry | undefined;
}

export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly hint: string | undefined;
  readonly #retry: Retry | undefined;

  constructor(code: ProblemCode, message: string, { hint, cause, retry }: ProblemOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.#retry = retry;
  }

  get details(): ProblemDetails {
    const { status, title, retry } = KINDS[this.code];
    const { code, hint, message } = this;
    return {
      type: `urn:snapring:problem:${code}`,
      ...{ title, status, detail: message, code },
      retry: this.#retry ?? retry,
      ...(hint === undefined ? {} : { hint }),
      ...(this.cause === undefined ? {} : { cause: causeOf(this.cause) }),
    };
  }
}

/** Whatever was thrown, as what is told. `about`: what it happened to, where its own words do not say so. */
export function problemOf(error: unknown, about?: string): Problem {
  if (error instanceof Problem) return error;
  const said = error as NodeJS.ErrnoException;
  const message = about === undefined ? said.message : `${about}: ${said.message}`;
  const code = typeof said?.code === "string" ? said.code : "";
  if (code.startsWith("ERR_INVALID_") || code === "ERR_OUT_OF_RANGE")
    return new Problem("bad-request", message, { cause: error });
  const hint = error instanceof SnapringError ? commandHint(error) : undefined;
  return new Problem(CODES[code] ?? "defect", message, { hint, cause: error });
}

function causeOf(cause: unknown): { code: string; message: string } {
  const { code, message } = cause as NodeJS.ErrnoException;
  return { code: typeof code === "string" ? code : "", message: String(message) };
}
