#include "uring_setup.h"

#include <cerrno>

#include "ring.h"

namespace snapring {

namespace {

constexpr uint32_t kFeatures = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL;

constexpr uint32_t kSetups[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

}  // namespace

int setUpUring(io_uring* ring, uint32_t entries, uint32_t completions, uint32_t* flags) {
  int status = -EINVAL;
  for (uint32_t setup : kSetups) {
    io_uring_params parameters = {};
    parameters.flags = setup | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = completions;
    status = io_uring_queue_init_params(entries, ring, &parameters);
    *flags = setup;
    if (status == 0 && (parameters.features & kFeatures) != kFeatures) {
      io_uring_queue_exit(ring);
      return -ENOSYS;
    }
    if (status != -EINVAL) return status;
  }
  return status;
}

int probeUring() {
  io_uring ring;
  uint32_t flags = 0;
  const int status = setUpUring(&ring, 4, 8, &flags);
  if (status != 0) return status;
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  bool able = probe != nullptr;
  for (int op : {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
                 IORING_OP_SEND, IORING_OP_RECV, IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_TIMEOUT,
                 IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD}) {
    able = able && io_uring_opcode_supported(probe, op);
  }
  if (probe != nullptr) io_uring_free_probe(probe);
  io_uring_queue_exit(&ring);
  return able ? 0 : -ENOSYS;
}

}  // namespace snapring
