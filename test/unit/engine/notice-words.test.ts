/** What the log and errors say of a failure that is a number where it happens: words, not the number's name. */
import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { ERRNO_WORDS, errnoWhy } from "../../../src/base/errno-words.ts";
import { coreError } from "../../../src/engine/refusal.ts";
import { noticeWords } from "../../../src/engine/volume-events.ts";

test.each([
  // A limit on the size of files was "(EFBIG)", a disk that fails "(EIO)".
  ["invalid", errno.EFBIG, "the snapshot is invalid now: files may not be of this size here"],
  ["invalid", -errno.EIO, "the snapshot is invalid now: input/output error"],
  [
    "invalid",
    errno.ENOSPC,
    "the snapshot is invalid now: there is no room left in its store, or on the file system that it lies on",
  ],
  ["overflow", errno.ENOSPC, "the store, or the file system that it lies on, is full; writes to the snapshot fail"],
  [
    "overflow",
    errno.EDQUOT,
    "the store, or the file system that it lies on, is full; writes to the snapshot fail: the disk quota is used up",
  ],
  ["dropped", 0, "the snapshot is dropped"],
  ["merge-failed", errno.EREMOTEIO, "the merge has failed: the device has failed"],
] as const)("what happens to a snapshot: %s, errno %i", (event, error, words) => {
  expect(noticeWords(event, error)).toBe(words);
});

test("what the core could not do has its reason, what it refuses is one", () => {
  expect(coreError("s", errno.EIO, "cannot format the cow device")).toMatchObject({
    code: "EIO",
    message: "s: cannot format the cow device: input/output error",
  });
  expect(coreError("s", errno.EBUSY, "the snapshot is merging already").message).toBe(
    "s: the snapshot is merging already",
  );
});

test("words are those of a person: none has the name of a number in it", () => {
  for (const [name, words] of Object.entries(ERRNO_WORDS)) {
    expect([name, words.why]).toEqual([name, expect.stringMatching(/^[a-z/, -]+$/)]);
    expect(errnoWhy(-errno[name as keyof typeof errno])).toBe(words.why);
  }
});
