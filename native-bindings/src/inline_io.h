// File operations done at once, on the calling thread: preadv2, pwritev2, fdatasync, fallocate, and the discard of a block device. And which of them
// are to be: for both rings, what need not wait is done within the turn, for a thread that takes it over is slower; what may wait for long would hold up
// everything else that the ring's thread has under way, and goes to the kernel's threads (uring.cc) or to helpers (helpers.h).
#ifndef SNAPRING_INLINE_IO_H
#define SNAPRING_INLINE_IO_H

#include <cstdint>

#include "request.h"

namespace snapring {

bool isFileOp(uint8_t op);
// This prepared operation on a file is to be done within the turn. A write to the page cache is, as a rule; not where a chain would have to wait for
// it (`alone` is false).
bool needNotWait(const Op& op, bool alone);
// It is a read that is to try the page cache first, by readCached.
bool mayBeCached(const Op& op);
// What an operation comes to of which `moved` bytes were moved before the rest.
int32_t joinResults(uint64_t moved, int32_t rest);
// A read of what is in the page cache. False: not all of it is there; `done` bytes were, and the vector stands behind them.
bool readCached(Op* op, int32_t* result);
// Bytes moved (short only at the end of the file, or where an error came after some; with those that readCached has moved), 0, or -errno.
int32_t runInline(Op* op);
// Drop `bytes` from the front of the operation's vector.
void advanceVector(Op* op, uint64_t bytes);

}  // namespace snapring

#endif
