import { expect, test } from "vitest";
import { nbdErrno } from "../../../src/nbd/wire/nbd-errno.ts";

const known = [0, 1, 5, 12, 22, 28, 75, 95, 108];

test.each([
  ["success stays success", 0, 0],
  ["EPERM", 1, 1],
  ["EROFS is EPERM: a read-only device behind a writable export", 30, 1],
  ["EIO", 5, 5],
  ["ENOMEM", 12, 12],
  ["EINVAL", 22, 22],
  ["ENOSPC", 28, 28],
  ["EFBIG is ENOSPC", 27, 28],
  ["EDQUOT is ENOSPC", 122, 28],
  ["EOVERFLOW", 75, 75],
  ["EOPNOTSUPP", 95, 95],
  ["ESHUTDOWN", 108, 108],
  ["ECANCELED has no word of its own", 125, 5],
  ["EBADF has no word of its own", 9, 5],
])("%s", (_name, error, expected) => {
  expect(nbdErrno(error)).toBe(expected);
  expect(nbdErrno(-error)).toBe(expected);
});

test("every error number becomes one that NBD knows, and success only stays success", () => {
  for (let error = 1; error < 4096; error++) {
    expect(known).toContain(nbdErrno(error));
    expect(nbdErrno(error)).not.toBe(0);
    expect(nbdErrno(nbdErrno(error))).toBe(nbdErrno(error));
  }
});
