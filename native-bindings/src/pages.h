// Advice to the kernel about memory that is large and used densely. Knows nothing of N-API.
#ifndef SNAPRING_PAGES_H
#define SNAPRING_PAGES_H

#include <cstddef>

namespace snapring {

// Back the whole huge pages inside of `start` … `start + bytes` by such pages when they are first touched. 0 or -errno; nothing
// but speed depends on it.
int useHugePages(void* start, size_t bytes);

// All bytes become zero, and the kernel has the whole pages back until they are touched again. 0, or -errno: the bytes may be as they were.
// Nobody else may use the memory meanwhile.
int clearPages(void* start, size_t bytes);

}  // namespace snapring

#endif
