// Eventfds: how one thread wakes another that sleeps in its ring or in its event loop; and what sockets need beside.
// Knows nothing of N-API. All return -errno where they fail.
#ifndef SNAPRING_EVENT_H
#define SNAPRING_EVENT_H

namespace snapring {

// A new eventfd, not yet signalled.
int createEvent();
int closeEvent(int fd);
bool isOpen(int fd);
int signalEvent(int fd);
// Take all signals. Never blocks: 0 also where there was none.
int drainEvent(int fd);
int duplicateFile(int fd);
// End both directions: what waits on the socket completes.
int shutdownSocket(int fd);
// A TCP peer that is silent for `idle` seconds is asked up to `probes` times, every `interval` seconds. 0 or -errno.
int keepAlive(int fd, int idle, int interval, int probes);
// Two stream sockets, connected with each other.
int socketPair(int pair[2]);

}  // namespace snapring

#endif
