#include "socket_io.h"

#include <cerrno>
#include <sys/socket.h>

#include "inline_io.h"

namespace snapring {

bool isSend(const Op& op) { return op.request.op == kSend || op.request.op == kSendVector; }

int32_t transferSocket(Op* op) {
  const bool out = isSend(*op);
  const bool whole = out || (op->request.argument & MSG_WAITALL) != 0;
  for (;;) {
    msghdr message = {};
    message.msg_iov = op->vector;
    message.msg_iovlen = op->vectorCount;
    const int more = static_cast<int>(op->request.argument & MSG_MORE);
    const ssize_t moved = out ? sendmsg(op->file->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL | more)
                              : recvmsg(op->file->fd, &message, MSG_DONTWAIT);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return kParked;
    if (moved < 0) return op->done > 0 ? static_cast<int32_t>(op->done) : -errno;
    op->done += static_cast<uint64_t>(moved);
    if (moved == 0 || !whole || op->done == op->total) return static_cast<int32_t>(op->done);
    advanceVector(op, static_cast<uint64_t>(moved));
  }
}

}  // namespace snapring
