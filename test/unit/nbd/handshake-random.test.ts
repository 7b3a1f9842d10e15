import fc from "fast-check";
import { expect, test } from "vitest";
import { clientFlags, drive, infoData, join, option, replyTypes, text } from "./handshake-stream.ts";

const OUTPUT_MAX = 2 * 1024 * 1024;
const kinds = fc.array(fc.oneof(fc.nat(4), fc.nat(0xffff)), { maxLength: 6 });
const name = fc.oneof(
  fc.constantFrom("", "origin", "monday", "tuesday"),
  fc.string({ unit: "grapheme", maxLength: 20 }),
);
const data = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ maxLength: 60 }),
  fc.tuple(name, kinds).map(([asked, list]) => infoData(asked, ...list)),
);
/** Any option but those that end a negotiation. */
const harmless = fc.constantFrom(0, 3, 4, 5, 6, 8, 9, 10, 11, 99, 0xffff_ffff);
const harmlessOption = fc.tuple(harmless, data).map(([number, bytes]) => option(number, bytes));
const lastOption = fc.oneof(
  fc.tuple(fc.constantFrom(1, 2, 7), data).map(([number, bytes]) => option(number, bytes)),
  fc.constantFrom("", "origin", "monday").map((asked) => option(7, infoData(asked, 3))),
  fc.constant(text("not an option at all")),
);
const stream = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 3),
    fc.array(harmlessOption, { maxLength: 8 }),
    fc.array(lastOption, { maxLength: 1 }),
  )
  .map(([flags, options, last]) => join(clientFlags(flags), ...options, ...last));
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(stream, fc.uint8Array({ maxLength: 100 })).map(([good, bad]) => join(good, bad)),
  fc.tuple(stream, fc.nat(1000), fc.nat(255)).map(([good, at, value]) => {
    const spoiled = Uint8Array.from(good);
    spoiled[at % good.length] = value;
    return spoiled;
  }),
);

function ordered(cuts: readonly number[], length: number): number[] {
  return cuts.map((cut) => cut % (length + 1)).sort((a, b) => a - b);
}

test("any split of the stream gives the same answers, the same end, and the same rest", () => {
  fc.assert(
    fc.property(fc.oneof(stream, garbage), fc.array(fc.nat(2000), { maxLength: 30 }), (bytes, cuts) => {
      const whole = drive(bytes);
      const split = drive(bytes, ordered(cuts, bytes.length));
      expect(split.output).toEqual(whole.output);
      expect(split.rest).toBe(whole.rest);
      expect(split.handshake.state).toBe(whole.handshake.state);
      expect(split.handshake.chosen).toBe(whole.handshake.chosen);
      expect(split.handshake.closeReason).toBe(whole.handshake.closeReason);
    }),
    { numRuns: 500 },
  );
});

test("byte by byte is a split too", () => {
  fc.assert(
    fc.property(stream, (bytes) => {
      const cuts = Array.from(bytes, (_, i) => i + 1);
      expect(drive(bytes, cuts).output).toEqual(drive(bytes).output);
    }),
  );
});

test("garbage never throws, always comes to an end, and holds no more output than one answer", () => {
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(2000), { maxLength: 10 }), (bytes, cuts) => {
      const { handshake, rest, outputMax } = drive(bytes, ordered(cuts, bytes.length));
      expect(outputMax).toBeLessThanOrEqual(OUTPUT_MAX);
      expect(handshake.state !== "negotiating" || rest === 0).toBe(true);
      expect((handshake.state === "transmission") === (handshake.chosen !== undefined)).toBe(true);
      expect((handshake.state === "closing") === (handshake.closeReason !== 0)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("after any options that end nothing the server is in step: GO still works", () => {
  fc.assert(
    fc.property(fc.array(harmlessOption, { maxLength: 12 }), (options) => {
      const { handshake, output } = drive(join(clientFlags(3), ...options, option(7, infoData("monday"))));
      expect(handshake.state).toBe("transmission");
      expect(replyTypes(output).slice(-2)).toEqual([3, 1]);
      // Every option has exactly one final reply: an acknowledgement or an error.
      const finals = replyTypes(output).filter((type) => type === 1 || type >= 0x8000_0000);
      expect(finals.length).toBe(options.length + 1);
    }),
  );
});

test("a flood of lists in one piece is answered one at a time", () => {
  const lists = Array.from({ length: 1000 }, () => option(3));
  const { output, outputMax } = drive(join(clientFlags(3), ...lists));
  expect(replyTypes(output).length).toBe(3000);
  expect(outputMax).toBe(output.length / 1000);
});
