// A word to the service manager (sd_notify(3)): one datagram to a Unix socket, which node cannot send. Knows nothing of N-API.
#ifndef SNAPRING_NOTIFY_H
#define SNAPRING_NOTIFY_H

#include <cstddef>

namespace snapring {

// What sockaddr_un holds of a path, without its final zero.
constexpr size_t kSocketPathMax = 107;

// A path, or, from '@' on, a name that is no file. It never waits: 0, or -errno (-EAGAIN: its queue is full).
int notifySocket(const char* path, size_t pathLength, const char* text, size_t length);

}  // namespace snapring

#endif
