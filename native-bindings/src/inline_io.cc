#include "inline_io.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace snapring {

namespace {

int32_t sync(int fd) {
  while (fdatasync(fd) != 0) {
    if (errno != EINTR) return -errno;
  }
  return 0;
}

// Some profiles of system calls deny preadv2 and pwritev2: what has no flag goes without them, and what is to be durable is flushed.
int32_t transfer(Op* op, bool write) {
  const int fd = op->file->fd;
  int flags = write && (op->request.argument & kArgDsync) != 0 ? RWF_DSYNC : 0;
  bool flush = false;
  uint64_t done = op->done;
  while (done < op->total) {
    const off_t at = static_cast<off_t>(op->request.position + done);
    const int count = static_cast<int>(op->vectorCount);
    const ssize_t moved = flags != 0 ? pwritev2(fd, op->vector, count, at, flags)
                          : write    ? pwritev(fd, op->vector, count, at)
                                     : preadv(fd, op->vector, count, at);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && flags != 0 && (errno == EPERM || errno == ENOSYS)) {
      flags = 0;
      flush = true;
      continue;
    }
    if (moved < 0) return done > 0 ? static_cast<int32_t>(done) : -errno;
    if (moved == 0) break;
    done += static_cast<uint64_t>(moved);
    advanceVector(op, static_cast<uint64_t>(moved));
  }
  const int32_t status = flush ? sync(fd) : 0;
  return status != 0 ? status : static_cast<int32_t>(done);
}

int32_t allocate(const Op& op) {
  const Request& request = op.request;
  const off_t at = static_cast<off_t>(request.position);
  const off_t length = static_cast<off_t>(request.length2);
  int status;
  do {
    if (request.argument != kModeDiscard) {
      status = fallocate(op.file->fd, static_cast<int>(request.argument), at, length);
    } else if (op.file->block) {
      uint64_t range[2] = {request.position, request.length2};
      status = ioctl(op.file->fd, BLKDISCARD, range);
    } else {
      status = fallocate(op.file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length);
    }
  } while (status != 0 && errno == EINTR);
  return status == 0 ? 0 : -errno;
}

}  // namespace

bool isFileOp(uint8_t op) {
  return op == kRead || op == kWrite || op == kSync || op == kAllocate || op == kReadVector || op == kWriteVector;
}

bool needNotWait(const Op& op, bool alone) {
  if (op.file->wait == kWaitsAlways) return false;
  if (op.request.atOnce) return true;
  if (op.file->kind != kInline) return false;
  if (op.file->wait == kNoWait) return true;
  if (!alone) return false;
  switch (op.request.op) {
    case kWrite:
    case kWriteVector:
      return (op.request.argument & kArgDsync) == 0;
    case kAllocate:
      return !op.file->block;
    default:
      return false;
  }
}

bool mayBeCached(const Op& op) {
  const bool read = op.request.op == kRead || op.request.op == kReadVector;
  return read && op.file->kind == kInline && op.file->wait == kWaitsForCache && !op.request.atOnce;
}

int32_t joinResults(uint64_t moved, int32_t rest) {
  if (moved == 0) return rest;
  return static_cast<int32_t>(moved) + (rest > 0 ? rest : 0);
}

int32_t runInline(Op* op) {
  switch (op->request.op) {
    case kRead:
    case kReadVector:
      return transfer(op, false);
    case kWrite:
    case kWriteVector:
      return transfer(op, true);
    case kSync:
      return sync(op->file->fd);
    case kAllocate:
      return allocate(*op);
    default:
      return -EINVAL;
  }
}

bool readCached(Op* op, int32_t* result) {
  while (op->done < op->total) {
    const off_t at = static_cast<off_t>(op->request.position + op->done);
    const ssize_t moved = preadv2(op->file->fd, op->vector, static_cast<int>(op->vectorCount), at, RWF_NOWAIT);
    if (moved < 0 && errno == EINTR) continue;
    // What is an error will be one again, where it can be waited for. The end of the file looks like that of what is cached.
    if (moved <= 0) return false;
    op->done += static_cast<uint64_t>(moved);
    advanceVector(op, static_cast<uint64_t>(moved));
  }
  *result = static_cast<int32_t>(op->done);
  return true;
}

void advanceVector(Op* op, uint64_t bytes) {
  while (op->vectorCount > 0 && bytes >= op->vector->iov_len) {
    bytes -= op->vector->iov_len;
    op->vector++;
    op->vectorCount--;
  }
  if (bytes > 0) {
    op->vector->iov_base = static_cast<uint8_t*>(op->vector->iov_base) + bytes;
    op->vector->iov_len -= bytes;
  }
}

}  // namespace snapring
