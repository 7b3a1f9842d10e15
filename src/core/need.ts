/**
 * Requests that wait at main, and the lists in which they wait.
 *
 * A need is one token that waits for any number of things; each thing holds it in a list, by a link. When the last one is
 * over, the token is released: permission to look again (C-11), or an error. Needs and links are pooled: there are never more
 * than tokens at main times the chunks that one of them may ask for. A token of -1 is the core's own need (a merge's): its
 * owner looks at `remaining`, nobody is told. A need is free when nothing is left that it waits for: every link to it has been taken out of its list
 * by then, so none leads to the next request that gets it. Its token is the worker's again with that one answer, not before.
 */
import { assert } from "../base/assert.ts";
import { ChunkNeed } from "../base/chunk-need.ts";
import type { Chunk, Sector } from "../base/units.ts";
import type { Effects } from "./ports.ts";

export const OWN_TOKEN = -1;

export class Need {
  token = OWN_TOKEN;
  /** Things it waits for. */
  remaining = 0;
  error = 0;
  /** What was asked for: a parked need is looked at again with these (E-25). */
  sector: Sector = 0;
  sectors: Sector = 0;
  chunk: Chunk = 0;
  how: ChunkNeed = ChunkNeed.Copy;
  kind: "origin" | "chunk" | "other" = "other";
}

class Link {
  need: Need | null = null;
  next: Link | null = null;
}

/** Needs that wait for one thing, in the order of arrival. Empty again after each `end`. */
export class NeedList {
  head: Link | null = null;
  tail: Link | null = null;

  get isEmpty(): boolean {
    return this.head === null;
  }

  get length(): number {
    let length = 0;
    for (let link = this.head; link !== null; link = link.next) length += 1;
    return length;
  }
}

export class Needs {
  readonly #effects: Effects;
  readonly #freeNeeds: Need[] = [];
  #freeLinks: Link | null = null;
  #waiting = 0;

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  /** Tokens at main. */
  get waiting(): number {
    return this.#waiting;
  }

  /** A need with one thing to wait for: the event that it came with; `done` ends that. */
  take(token: number): Need {
    const need = this.#freeNeeds.pop() ?? new Need();
    need.token = token;
    need.remaining = 1;
    need.error = 0;
    need.kind = "other";
    assert(token >= 0 || token === OWN_TOKEN, "a token is the shell's, or none");
    if (token !== OWN_TOKEN) this.#waiting += 1;
    return need;
  }

  /** The need waits for one more thing. */
  wait(list: NeedList, need: Need): void {
    assert(need.remaining > 0, "a need that has ended waits for nothing more");
    const link = this.#freeLinks ?? new Link();
    this.#freeLinks = link.next;
    link.need = need;
    link.next = null;
    if (list.tail === null) list.head = link;
    else list.tail.next = link;
    list.tail = link;
    need.remaining += 1;
  }

  /** Who has waited for the one thing waits for the other, behind those who do already. */
  move(from: NeedList, to: NeedList): void {
    if (from.head === null) return;
    if (to.tail === null) to.head = from.head;
    else to.tail.next = from.head;
    to.tail = from.tail;
    from.head = null;
    from.tail = null;
  }

  /** What the list waited for is over: with an error, or with permission to look again. */
  end(list: NeedList, error: number): void {
    let link = list.head;
    list.head = null;
    list.tail = null;
    while (link !== null) {
      const { need, next } = link;
      link.need = null;
      link.next = this.#freeLinks;
      this.#freeLinks = link;
      this.done(need!, error);
      link = next;
    }
  }

  /** … for the first of them alone. */
  endFirst(list: NeedList, error: number): void {
    const link = list.head;
    if (link === null) return;
    const { need, next } = link;
    list.head = next;
    if (next === null) list.tail = null;
    link.need = null;
    link.next = this.#freeLinks;
    this.#freeLinks = link;
    this.done(need!, error);
  }

  /** One thing that the need waited for is over. */
  done(need: Need, error: number): void {
    assert(need.remaining > 0, "a need ends once");
    if (error !== 0) need.error = error;
    need.remaining -= 1;
    if (need.remaining > 0 || need.token === OWN_TOKEN) return;
    this.#waiting -= 1;
    this.#effects.release(need.token, need.error);
    this.give(need);
  }

  /** The owner of a need of its own has seen it end. */
  give(need: Need): void {
    assert(need.remaining === 0, "a need that is given back waits for nothing");
    need.token = OWN_TOKEN;
    this.#freeNeeds.push(need);
  }
}
