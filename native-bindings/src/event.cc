#include "event.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace snapring {

int createEvent() {
  const int fd = eventfd(0, EFD_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int closeEvent(int fd) { return close(fd) == 0 ? 0 : -errno; }

bool isOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

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

int keepAlive(int fd, int idle, int interval, int probes) {
  const int on = 1;
  const struct {
    int level;
    int name;
    const int* value;
  } options[] = {
      {SOL_SOCKET, SO_KEEPALIVE, &on},
      {IPPROTO_TCP, TCP_KEEPIDLE, &idle},
      {IPPROTO_TCP, TCP_KEEPINTVL, &interval},
      {IPPROTO_TCP, TCP_KEEPCNT, &probes},
  };
  for (const auto& option : options) {
    if (setsockopt(fd, option.level, option.name, option.value, sizeof(int)) != 0) return -errno;
  }
  return 0;
}

int shutdownSocket(int fd) { return shutdown(fd, SHUT_RDWR) == 0 ? 0 : -errno; }

int socketPair(int pair[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : -errno; }

}  // namespace snapring
