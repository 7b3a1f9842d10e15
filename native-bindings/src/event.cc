#include "event.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace snapring {

int createEvent() {
  const int fd = eventfd(0, EFD_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int signalEvent(int fd) {
  const uint64_t one = 1;
  for (;;) {
    if (write(fd, &one, sizeof one) == sizeof one) return 0;
    // A counter that is full wakes just as well.
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) return -errno;
  }
}

int drainEvent(int fd) {
  pollfd entry = {fd, POLLIN, 0};
  if (poll(&entry, 1, 0) <= 0 || (entry.revents & POLLIN) == 0) return 0;
  uint64_t count;
  return read(fd, &count, sizeof count) >= 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int duplicateFile(int fd) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return own >= 0 ? own : -errno;
}

int shutdownSocket(int fd) { return shutdown(fd, SHUT_RDWR) == 0 ? 0 : -errno; }

int socketPair(int pair[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : -errno; }

}  // namespace snapring
