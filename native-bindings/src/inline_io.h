// File operations done at once, on the calling thread: preadv2, pwritev2, fdatasync, fallocate, and the discard of a
// block device. For tmpfs and the page cache, where io_uring would use a slower thread, and for the poll ring.
#ifndef SNAPRING_INLINE_IO_H
#define SNAPRING_INLINE_IO_H

#include <cstdint>

#include "request.h"

namespace snapring {

// True: this prepared operation is to be done by runInline whatever the ring.
bool isInline(const Op& op);
bool isFileOp(uint8_t op);
// A read of what is in the page cache. False: not all of it is there; `done` bytes were, and the vector stands behind them.
bool readCached(Op* op, int32_t* result);
// Bytes moved (short only at the end of the file, or where an error came after some), 0, or -errno.
int32_t runInline(Op* op);
// Drop `bytes` from the front of the operation's vector.
void advanceVector(Op* op, uint64_t bytes);

}  // namespace snapring

#endif
