// The numbers that TypeScript and the addon share: src/ring/io-descriptor.ts and src/device/port.ts, said in C++.
//
// binding.cc exports each of them, and the loader refuses an addon whose numbers differ from its own. The pictures
// of a descriptor and of a completion are in io-descriptor.ts.
#ifndef SNAPRING_LAYOUT_H
#define SNAPRING_LAYOUT_H

#include <cstdint>

namespace snapring {

constexpr uint32_t kDescriptorWords = 16;
constexpr uint32_t kCompletionWords = 4;

enum OpCode : uint8_t {
  kNop = 0,
  kRead = 1,
  kWrite = 2,
  kSync = 3,
  kAllocate = 4,
  kReceive = 5,
  kSend = 6,
  kSendVector = 7,
  kEventRead = 8,
  kCancel = 9,
  kTimeout = 10,
  kReceiveVector = 11,
  kReadVector = 12,
  kWriteVector = 13,
  kOpCount = 14,
};

constexpr uint32_t kFlagLink = 1;
constexpr uint32_t kFlagAtOnce = 2;
constexpr uint32_t kArgDsync = 2;

// fallocate modes are Linux's; kDiscard is ours: advice that the bytes are not needed, after which they may read as anything.
constexpr uint32_t kModeKeepSize = 1;
constexpr uint32_t kModePunchHole = 2;
constexpr uint32_t kModeZeroRange = 16;
constexpr uint32_t kModeDiscard = 256;

enum FileKind : uint8_t { kAsync = 0, kInline = 1, kSocket = 2, kEvent = 3, kFileKindCount = 4 };

// The kernel moves at most this much in one call (MAX_RW_COUNT); a longer request could never complete whole.
constexpr uint64_t kTransferMax = 0x7ffff000;
// UIO_MAXIOV.
constexpr uint32_t kVectorMax = 1024;
// Room for 16 workers' rings on one thread is far below; the kernel clamps the queue itself at 32768.
constexpr uint32_t kCapacityMax = 1 << 16;
constexpr uint32_t kFilesMax = 1 << 15;
// Offsets in descriptors are 32 bits wide.
constexpr uint64_t kArenaMax = uint64_t{1} << 32;
constexpr uint64_t kPageBytes = 4096;

}  // namespace snapring

#endif
