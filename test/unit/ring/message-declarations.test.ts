/** What the two files of declarations say of every message: it has fields, and each of them keeps what is set beside all the others. */
import { expect, it } from "vitest";
import {
  FlagField,
  HalfField,
  MESSAGE_WORDS,
  type MessageField,
  PairField,
  UnsignedField,
  WordField,
} from "../../../src/ring/message-field.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import * as toMain from "../../../src/ring/to-main.ts";
import * as toWorkers from "../../../src/ring/to-workers.ts";

const DECLARATIONS = Object.entries<Readonly<Record<string, MessageField>>>({ ...toMain, ...toWorkers });

/** What they say is their kind, and whom they are about is their token. */
const WITHOUT_FIELDS = ["Waiting", "CutHandshake", "Relieve", "Stopped"];

/** A value that no other field of the message has. */
function setOwn(field: MessageField, words: Int32Array, at: number, i: number): unknown {
  const value = field instanceof FlagField ? i % 2 === 0 : 100 + i;
  if (field instanceof FlagField) field.set(words, at, value === true);
  else if (field instanceof PairField) field.set(words, at, 2 ** 40 + 100 + i);
  else if (isNumeric(field)) field.set(words, at, 100 + i);
  return field instanceof PairField ? 2 ** 40 + 100 + i : value;
}

function isNumeric(field: MessageField): field is WordField | UnsignedField | HalfField {
  return field instanceof WordField || field instanceof UnsignedField || field instanceof HalfField;
}

it.each(DECLARATIONS)("%s has its fields, which keep what is set one beside the other", (name, fields) => {
  const words = new Int32Array(MESSAGE_WORDS);
  const all = Object.values(fields) as (MessageField & { get(words: Int32Array, at: number): unknown })[];
  expect(all.length === 0).toBe(WITHOUT_FIELDS.includes(name));
  const values = all.map((field, i) => setOwn(field, words, 0, i));
  expect(all.map((field) => field.get(words, 0))).toEqual(values);
  expect([words[0], words[1]]).toEqual([0, 0]);
});

it("a field that nobody has set does not say what the message before had there", () => {
  const memory = createRing(1);
  const [outbox, inbox] = [new Outbox(memory, () => {}), new RingConsumer(memory)];
  for (const isFirst of [true, false]) {
    const at = outbox.begin(1, 0, 0);
    if (isFirst) toMain.NeedOrigin.sectors.set(outbox.words, at, 8);
    outbox.flush();
    expect(toMain.NeedOrigin.sectors.get(inbox.words, inbox.peek()) === 8).toBe(isFirst);
    inbox.advance();
  }
});
