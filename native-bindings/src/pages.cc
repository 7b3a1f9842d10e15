#include "pages.h"

#include <cerrno>
#include <cstdint>
#include <sys/mman.h>

#include "layout.h"

namespace snapring {

int useHugePages(void* start, size_t bytes) {
  const uintptr_t first = (reinterpret_cast<uintptr_t>(start) + kPageBytes - 1) / kPageBytes * kPageBytes;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(start) + bytes) / kPageBytes * kPageBytes;
  if (end <= first) return 0;
  return madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE) == 0 ? 0 : -errno;
}

}  // namespace snapring
