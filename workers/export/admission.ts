/**
 * A record and a slot for a header that has been parsed, or a place in the line of those who wait for one.
 *
 *   admit ──▶ record, and a slot where it carries bytes ──▶ the request
 *     └──▶ none now: the header stays in the inbox, its connection stands in the line (waiting-line.ts)
 *            └── what it needs is held by others: main is told (Waiting), and cuts who moves nothing when his time is over (Relieve)
 *
 * A connection has so many requests, and so many bytes of payload, at a time; the first slot it always may have.
 */
import { AssertionFailure, assert } from "../../src/base/assert.ts";
import { MAX_HELD_BYTES_PER_CONNECTION, MAX_REQUESTS_PER_CONNECTION } from "../../src/base/constants.ts";
import { Command, CommandFlag } from "../../src/nbd/wire/protocol.ts";
import type { RequestFields } from "../../src/nbd/wire/request.ts";
import { Verdict } from "../../src/nbd/wire/validate.ts";
import { Message } from "../../src/ring/messages.ts";
import { PAGE_BYTES, SlotFit } from "../../src/ring/slots.ts";
import type { Connection } from "./connection.ts";
import { type ExportContext, SHARE_USED } from "./context.ts";
import { type ExportShare, mayHave } from "./export-share.ts";
import type { WorkerExport } from "./exports.ts";
import { requestOwner } from "./owned-slots.ts";
import { partBytes, slotBytesFor } from "./parts.ts";
import { Operation, type Request } from "./request.ts";
import { NO_SIZE_CLASS, WaitingLine } from "./waiting-line.ts";

/** Zeroes carry the parts of pages at their ends, and what stands between these: pieces.ts. */
const ZERO_PAGES = 3;

export class Admission {
  readonly #context: ExportContext;
  readonly #line: WaitingLine;
  /** Main has been told that somebody waits for what others hold, and has not answered yet. */
  #waitingTold = false;

  constructor(context: ExportContext) {
    this.#context = context;
    this.#line = new WaitingLine(context.slots.sizeClasses);
  }

  /** The request of a header; null: there is no room for it now, and its connection stands in the line. */
  admit(connection: Connection, target: WorkerExport, verdict: number, fields: RequestFields): Request | null {
    if (connection.requests >= MAX_REQUESTS_PER_CONNECTION) return this.#waits(connection, NO_SIZE_CLASS);
    const { requests } = this.#context;
    const { share } = target.handler;
    const mayBegin = mayHave(requests.free(), share.requests, connection.requests);
    const request = mayBegin ? requests.take() : null;
    if (request === null) {
      if (isMostOf(connection.requests, share.requests)) return this.#waits(connection, NO_SIZE_CLASS);
      return this.#waitsForOthers(connection, NO_SIZE_CLASS, null);
    }
    const operation = verdict === Verdict.Execute ? operationOf(fields.type) : Operation.Nothing;
    const error = verdict === Verdict.Execute ? 0 : verdict;
    request.begin(connection.index, target.handler, operation, fields, error);
    request.durable = (fields.flags & CommandFlag.Fua) !== 0;
    request.noHole = (fields.flags & CommandFlag.NoHole) !== 0;
    request.isRead = fields.type === Command.Read;
    request.hasChunks = connection.dialect.hasChunks && (fields.flags & CommandFlag.DontFragment) === 0;
    request.startedAt = this.#context.now;
    if (!this.#provide(connection, request, share)) {
      request.over();
      requests.give(request);
      return null;
    }
    connection.requests += 1;
    share.requests += 1;
    request.volume.requests += 1;
    return request;
  }

  /** Somebody waits for slots or records that have come back since `resume`. */
  get canResume(): boolean {
    return this.#line.length > 0 && this.#context.returned;
  }

  /** Slots or records have come back: everybody tries once more. */
  resume(parse: (connection: Connection) => void): void {
    if (!this.canResume) return;
    this.#context.returned = false;
    this.#line.resume(parse);
  }

  /** Its record is about to be free: it waits for nothing any more, and who stood back for it may go on. */
  forget(connection: Connection): void {
    if (!connection.stalled) return;
    this.#line.remove(connection);
    this.#context.returned = true;
  }

  /**
   * Main's answer to Waiting. True: a client that moves its own data waits for others. Where it waits on, main will be told again.
   */
  stillWaiting(limitMs: number): boolean {
    this.#waitingTold = false;
    const { now } = this.#context;
    if (!this.#line.some((c) => c.waitsForOthers && !c.ending && !c.isOverdue(now, limitMs))) return false;
    this.#tellWaiting();
    return true;
  }

  /** The slot that the request needs, if any. False: its connection waits for one. */
  #provide(connection: Connection, request: Request, share: ExportShare): boolean {
    const { slots, ring } = this.#context;
    const { offset } = request;
    const length = request.last - offset;
    const endsPage = isUnalignedZero(request);
    const bytes = request.hasPayload ? slotBytesFor(length) : endsPage ? PAGE_BYTES : 0;
    if (request.hasPayload) request.end = offset + partBytes(offset, length);
    if (bytes === 0) return true;
    const slot = this.#takeSlot(connection, request, bytes, share);
    if (slot < 0) return false;
    request.hold(slot, bytes, slots.address(slot) + (offset % PAGE_BYTES));
    connection.heldBytes += bytes;
    if (endsPage) ring.zero(slots.address(slot), ZERO_PAGES * PAGE_BYTES);
    return true;
  }

  /** A slot, or less: there is none, connection or export have as much as they may, or somebody who has none waits for one. */
  #takeSlot(connection: Connection, request: Request, bytes: number, share: ExportShare): number {
    const { slots } = this.#context;
    const { heldBytes } = connection;
    const emptyHanded = heldBytes === 0;
    const sizeClass = slots.sizeClass(bytes);
    assert(sizeClass !== -1, "a payload that no slot is large enough for");
    const tooMuch = !emptyHanded && heldBytes + bytes > MAX_HELD_BYTES_PER_CONNECTION;
    if (tooMuch || this.#line.isFor(connection, sizeClass, share)) {
      this.#waits(connection, NO_SIZE_CLASS);
      return -1;
    }
    // The next larger ones are for those who have nothing.
    const fit = emptyHanded ? SlotFit.NextLarger : SlotFit.Smallest;
    const slot = this.#context.takeSlot(bytes, requestOwner(request.index), fit, share, connection);
    if (slot >= 0) return slot;
    const isOwn = slot === SHARE_USED && isMostOf(connection.slots[sizeClass], share.slots[sizeClass]);
    if (isOwn) this.#waits(connection, sizeClass, share);
    else this.#waitsForOthers(connection, sizeClass, slot === SHARE_USED ? share : null);
    return slot;
  }

  /** The header stays where it is until the connection's turn comes. */
  #waits(connection: Connection, sizeClass: number, share: ExportShare | null = null): null {
    this.#line.add(connection, sizeClass, share);
    return null;
  }

  /** What the connection needs is held by others, or lies in replies that nobody reads. */
  #waitsForOthers(connection: Connection, sizeClass: number, share: ExportShare | null): null {
    connection.waitsForOthers = true;
    if (!this.#waitingTold) this.#tellWaiting();
    return this.#waits(connection, sizeClass, share);
  }

  #tellWaiting(): void {
    this.#waitingTold = true;
    this.#context.outbox.send(Message.Waiting, 0, 0);
  }
}

/** A client that has half of what its export has waits for itself. */
function isMostOf(ofClient: number, ofExport: number): boolean {
  return ofClient > 0 && 2 * ofClient >= ofExport;
}

function isUnalignedZero(request: Request): boolean {
  return request.operation === Operation.Zero && (request.offset % PAGE_BYTES !== 0 || request.last % PAGE_BYTES !== 0);
}

/** Of a command that judgeRequest executes. CACHE asks for nothing that a reply does not give. */
function operationOf(command: number): Operation {
  switch (command) {
    case Command.Read:
      return Operation.Read;
    case Command.Write:
      return Operation.Write;
    case Command.WriteZeroes:
      return Operation.Zero;
    case Command.Trim:
      return Operation.Trim;
    case Command.Flush:
      return Operation.Flush;
    case Command.Cache:
      return Operation.Nothing;
    default:
      throw new AssertionFailure(`command ${command} is judged, but nobody does it`);
  }
}
