#include "helper_work.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inline_io.h"

namespace snapring {

namespace {

// A place in the vector of a job.
struct Cursor {
  const iovec* vector;
  uint64_t inside = 0;
};

// The next `bytes` of the vector, to or from the helper's memory.
void copyVector(Cursor* cursor, uint8_t* bounce, uint64_t bytes, bool toArena) {
  while (bytes > 0) {
    const uint64_t part = std::min<uint64_t>(bytes, cursor->vector->iov_len - cursor->inside);
    uint8_t* place = static_cast<uint8_t*>(cursor->vector->iov_base) + cursor->inside;
    if (part > 0) memcpy(toArena ? place : bounce, toArena ? bounce : place, part);
    bounce += part;
    bytes -= part;
    cursor->inside += part;
    if (cursor->inside < cursor->vector->iov_len) continue;
    cursor->vector++;
    cursor->inside = 0;
  }
}

// One call for one piece.
int32_t movePiece(Helper* helper, uint64_t position, uint64_t bytes) {
  Op* op = &helper->op;
  op->request.position = position;
  op->single = {helper->bounce, bytes};
  op->vector = &op->single;
  op->vectorCount = 1;
  op->total = bytes;
  op->done = 0;
  return runInline(op);
}

// What is longer than a helper's memory is moved in pieces, and flushed once, behind the last.
int32_t transfer(Helper* helper) {
  const Job& job = *helper->job;
  Request* request = &helper->op.request;
  Gate* gate = &helper->pool->gate;
  const bool write = request->op == kWrite || request->op == kWriteVector;
  const bool flush = write && (request->argument & kArgDsync) != 0 && job.left > kBounceBytes;
  if (flush) request->argument = 0;
  Cursor cursor = {job.vector};
  uint64_t done = 0;
  while (done < job.left) {
    const uint64_t piece = std::min(kBounceBytes, job.left - done);
    if (write) {
      if (!gate->enter()) return -ECANCELED;
      copyVector(&cursor, helper->bounce, piece, false);
      gate->leave();
    }
    const int32_t moved = movePiece(helper, job.request.position + job.moved + done, piece);
    if (moved < 0 && done == 0) return moved;
    if (moved <= 0) break;
    if (!write) {
      if (!gate->enter()) return -ECANCELED;
      copyVector(&cursor, helper->bounce, static_cast<uint64_t>(moved), true);
      gate->leave();
    }
    done += static_cast<uint64_t>(moved);
    if (static_cast<uint64_t>(moved) < piece) break;
  }
  request->op = kSync;
  const int32_t status = flush ? runInline(&helper->op) : 0;
  return status != 0 ? status : static_cast<int32_t>(done);
}

}  // namespace

void perform(Helper* helper) {
  Job* job = helper->job;
  helper->op.request = job->request;
  helper->op.file = job->file;
  const uint8_t op = job->request.op;
  const bool moves = op != kSync && op != kAllocate;
  const int32_t rest = moves ? transfer(helper) : runInline(&helper->op);
  job->result = joinResults(job->moved, rest);
}

}  // namespace snapring
