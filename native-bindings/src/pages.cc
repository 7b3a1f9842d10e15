#include "pages.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/mman.h>

#include "layout.h"

namespace snapring {

namespace {

// The whole pages inside of a range; `bytes` 0: there are none.
struct Pages {
  uint8_t* start;
  size_t bytes;
};

Pages wholePages(void* start, size_t bytes) {
  const uintptr_t first = (reinterpret_cast<uintptr_t>(start) + kPageBytes - 1) / kPageBytes * kPageBytes;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(start) + bytes) / kPageBytes * kPageBytes;
  return {reinterpret_cast<uint8_t*>(first), end > first ? end - first : 0};
}

}  // namespace

int useHugePages(void* start, size_t bytes) {
  const Pages pages = wholePages(start, bytes);
  if (pages.bytes == 0) return 0;
  return madvise(pages.start, pages.bytes, MADV_HUGEPAGE) == 0 ? 0 : -errno;
}

// Private anonymous memory reads as zeroes after that advice; memory of another kind may keep what it holds, which the mark tells.
int clearPages(void* start, size_t bytes) {
  const Pages pages = wholePages(start, bytes);
  if (pages.bytes == 0) {
    memset(start, 0, bytes);
    return 0;
  }
  volatile uint8_t* mark = pages.start;
  *mark = 1;
  if (madvise(pages.start, pages.bytes, MADV_DONTNEED) != 0) return -errno;
  if (*mark != 0) memset(pages.start, 0, pages.bytes);
  uint8_t* const first = static_cast<uint8_t*>(start);
  uint8_t* const end = pages.start + pages.bytes;
  memset(first, 0, static_cast<size_t>(pages.start - first));
  memset(end, 0, static_cast<size_t>(first + bytes - end));
  return 0;
}

}  // namespace snapring
