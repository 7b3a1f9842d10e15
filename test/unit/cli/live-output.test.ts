/** Output while a volume is open: whatever becomes of its reader, it neither throws nor blocks nor piles up. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveOutput } from "../../../src/cli/live-output.ts";

/** A descriptor that takes so many bytes, and then fails with a code. */
class FakeDescriptor {
  text = "";
  room = Number.POSITIVE_INFINITY;
  code = "EAGAIN";
  calls = 0;

  readonly write = (bytes: Uint8Array): number => {
    this.calls += 1;
    if (this.room === 0) throw Object.assign(new Error(this.code), { code: this.code });
    const taken = Math.min(this.room, bytes.length);
    this.text += Buffer.from(bytes.subarray(0, taken)).toString();
    this.room -= taken;
    return taken;
  };
}

let fake: FakeDescriptor;
let output: LiveOutput;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeDescriptor();
  output = new LiveOutput(fake.write);
});

afterEach(() => vi.useRealTimers());

test.each(["ENOSPC", "EPIPE", "EIO", "EBADF", "EFBIG", "EDQUOT"])(
  "%s: the line is dropped and counted, and later ones are written again",
  (code) => {
    output.write("one\n");
    Object.assign(fake, { room: 0, code });
    output.write("two\n");
    output.write("three\n");
    expect(output.dropped).toBe(2);
    fake.room = Number.POSITIVE_INFINITY;
    output.write("four\n");
    expect(fake.text).toBe("one\nfour\n");
    expect(output.dropped).toBe(2);
  },
);

test("a line that a full disk has cut is ended before the next one, also when that takes several tries", () => {
  Object.assign(fake, { room: 3, code: "ENOSPC" });
  output.write("first line\n");
  output.write("second line\n");
  fake.room = Number.POSITIVE_INFINITY;
  output.write("third line\n");
  output.write("fourth line\n");
  expect(fake.text).toBe("fir\nthird line\nfourth line\n");
  expect(output.dropped).toBe(2);
});

test("what a slow reader does not take at once comes later, whole and in order", () => {
  fake.room = 5;
  output.write("one two three\n");
  output.write("four\n");
  expect(fake.text).toBe("one t");
  fake.room = 3;
  vi.advanceTimersByTime(1000);
  expect(fake.text).toBe("one two ");
  fake.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(1000);
  expect(fake.text).toBe("one two three\nfour\n");
  expect(output.dropped).toBe(0);
});

test("a reader that does not read costs little: what waits is bounded, the rest is counted, tries are rare", () => {
  fake.room = 0;
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 10_000; i++) output.write(line);
  vi.advanceTimersByTime(10_000);
  expect(fake.calls).toBeLessThan(200);
  fake.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(1000);
  expect(fake.text.length).toBeLessThanOrEqual(256 * 1024);
  expect(fake.text.length / 1024 + output.dropped).toBe(10_000);
  output.write("again\n");
  expect(fake.text.endsWith("\nagain\n")).toBe(true);
});

test("a single line larger than what may wait is not lost", () => {
  fake.room = 10;
  const line = `${"y".repeat(1_000_000)}\n`;
  output.write(line);
  fake.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(1000);
  expect(fake.text).toBe(line);
});

test("a pipe whose reader goes while lines wait: they are dropped, none is tried for ever", () => {
  fake.room = 2;
  for (const line of ["one\n", "two\n", "three\n"]) output.write(line);
  fake.code = "EPIPE";
  vi.advanceTimersByTime(1000);
  expect(output.dropped).toBe(3);
  expect(fake.calls).toBeLessThan(10);
});

test("at the end a slow reader is waited for, one that does not read is not", async () => {
  fake.room = 0;
  output.write("last\n");
  const slow = output.drained(1000);
  fake.room = 100;
  await vi.advanceTimersByTimeAsync(200);
  await slow;
  expect(fake.text).toBe("last\n");
  fake.room = 0;
  output.write("lost\n");
  const never = output.drained(1000);
  await vi.advanceTimersByTimeAsync(1100);
  await never;
  expect(output.dropped).toBe(1);
});
