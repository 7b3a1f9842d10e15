// Transfers on stream sockets, as far as they go without waiting: what the ring over poll does always, and the one over
// io_uring with every send first, because a send that finds room costs least as a plain system call.
#ifndef SNAPRING_SOCKET_IO_H
#define SNAPRING_SOCKET_IO_H

#include <climits>
#include <cstdint>

#include "request.h"

namespace snapring {

// Not a result of any operation: it has to wait. What has been moved is in `op->done`, the rest in its vector.
constexpr int32_t kParked = INT32_MIN;

bool isSend(const Op& op);
// Bytes moved, -errno, or kParked.
int32_t transferSocket(Op* op);

}  // namespace snapring

#endif
