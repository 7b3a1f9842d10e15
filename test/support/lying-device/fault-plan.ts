/**
 * Which call of a device fails: the k-th of a kind, once or from there on. It counts, so that a run without faults says how
 * many calls there are to fail.
 */
export type CallKind = "read" | "write" | "flush";

export interface Fault {
  /** Undefined: any. */
  readonly kind?: CallKind | undefined;
  /** Undefined: any. */
  readonly device?: number | undefined;
  /** The first call is 1. */
  readonly call: number;
  /** Also every matching call behind it. */
  readonly stays?: boolean;
  /** A positive errno. */
  readonly error: number;
}

export class FaultPlan {
  readonly #fault: Fault | undefined;
  #calls = 0;
  #failed = 0;
  /** The kind and device of the first call that failed. */
  first: { readonly kind: CallKind; readonly device: number } | undefined;

  /** Undefined: nothing fails. */
  constructor(fault?: Fault) {
    this.#fault = fault;
  }

  /** Whether a write that fails has changed some of its sectors, or none: by turns. */
  get tears(): boolean {
    return (this.#fault?.call ?? 0) % 2 === 1;
  }

  /** Calls that matched so far. */
  get calls(): number {
    return this.#calls;
  }

  get failed(): number {
    return this.#failed;
  }

  /** A call begins: 0, or the errno that it must end with. */
  next(kind: CallKind, device: number): number {
    const fault = this.#fault;
    if (fault?.kind !== undefined && fault.kind !== kind) return 0;
    if (fault?.device !== undefined && fault.device !== device) return 0;
    this.#calls += 1;
    if (fault === undefined || this.#calls < fault.call) return 0;
    if (this.#calls > fault.call && fault.stays !== true) return 0;
    this.#failed += 1;
    this.first ??= { kind, device };
    return fault.error;
  }
}
