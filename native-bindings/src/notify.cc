#include "notify.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace snapring {

int notifySocket(const char* path, size_t pathLength, const char* text, size_t length) {
  sockaddr_un address = {};
  static_assert(kSocketPathMax < sizeof address.sun_path, "a path and its zero");
  if (pathLength == 0 || pathLength > kSocketPathMax) return -EINVAL;
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path, pathLength);
  const bool isAbstract = path[0] == '@';
  if (isAbstract) address.sun_path[0] = '\0';
  // An abstract name has the bytes that it has; a path ends with its zero.
  const size_t size = offsetof(sockaddr_un, sun_path) + pathLength + (isAbstract ? 0 : 1);

  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const ssize_t sent =
      sendto(fd, text, length, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
  const int status = sent >= 0 ? 0 : -errno;
  (void)close(fd);
  return status;
}

}  // namespace snapring
