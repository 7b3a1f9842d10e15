#include "request.h"

#include <cerrno>
#include <climits>

namespace snapring {

namespace {

enum Shape : uint8_t { kBare, kRange, kEntries, kEightBytes };

// What an operation may be asked for: on which kinds of file, with which memory, and with which argument bits.
struct Rule {
  uint8_t kinds;
  Shape shape;
  bool positioned;
  uint32_t arguments;
};

constexpr uint8_t kDisk = 1 << kAsync | 1 << kInline;
constexpr uint8_t kStream = 1 << kSocket;
constexpr uint32_t kSendBits = MSG_MORE | MSG_WAITALL | MSG_NOSIGNAL;
constexpr uint32_t kAny = 0xffffffff;

constexpr Rule kRules[kOpCount] = {
    /* kNop */ {0, kBare, false, kAny},
    /* kRead */ {kDisk, kRange, true, 0},
    /* kWrite */ {kDisk, kRange, true, kArgDsync},
    /* kSync */ {kDisk, kBare, false, 0},
    /* kAllocate */ {kDisk, kBare, true, kAny},
    /* kReceive */ {kStream, kRange, false, MSG_WAITALL},
    /* kSend */ {kStream, kRange, false, kSendBits},
    /* kSendVector */ {kStream, kEntries, false, kSendBits},
    /* kEventRead */ {1 << kEvent, kEightBytes, false, 0},
    /* kCancel */ {0, kBare, false, kAny},
    /* kTimeout */ {0, kBare, false, kAny},
    /* kReceiveVector */ {kStream, kEntries, false, MSG_WAITALL},
    /* kReadVector */ {kDisk, kEntries, true, 0},
    /* kWriteVector */ {kDisk, kEntries, true, kArgDsync},
};

uint32_t load(const void* word) { return __atomic_load_n(static_cast<const uint32_t*>(word), __ATOMIC_RELAXED); }

bool inArena(const Arena& arena, uint64_t offset, uint64_t length) { return offset + length <= arena.bytes; }

int prepareEntries(Op* op, const Arena& arena) {
  const uint32_t count = op->request.length;
  const uint32_t offset = op->request.offset;
  if (count == 0 || count > kVectorMax || offset % 4 != 0) return -EINVAL;
  if (!inArena(arena, offset, uint64_t{count} * 8)) return -EINVAL;
  if (op->roomCount < count) {
    op->roomCount = count < 16 ? 16 : count;
    op->room.reset(new iovec[op->roomCount]);
  }
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* entry = arena.base + offset + uint64_t{i} * 8;
    const uint32_t start = load(entry);
    const uint32_t length = load(entry + 4);
    if (!inArena(arena, start, length)) return -EINVAL;
    op->room[i] = {arena.base + start, length};
    total += length;
  }
  if (total > kTransferMax) return -EINVAL;
  op->vector = op->room.get();
  op->vectorCount = count;
  op->total = total;
  return 0;
}

int prepareRange(Op* op, const Arena& arena, uint64_t length) {
  if (!inArena(arena, op->request.offset, length) || length > kTransferMax) return -EINVAL;
  op->single = {arena.base + op->request.offset, length};
  op->vector = &op->single;
  op->vectorCount = 1;
  op->total = length;
  return 0;
}

int checkAllocate(const Request& request) {
  switch (request.argument) {
    case 0:
    case kModeKeepSize:
    case kModePunchHole | kModeKeepSize:
    case kModeZeroRange:
    case kModeZeroRange | kModeKeepSize:
    case kModeDiscard:
      break;
    default:
      return -EINVAL;
  }
  if (request.length2 == 0 || request.length2 > INT64_MAX - request.position) return -EINVAL;
  return 0;
}

}  // namespace

bool decodeRequest(const int32_t* words, Request* request) {
  request->word0 = load(words);
  request->op = static_cast<uint8_t>(request->word0 & 0xff);
  const uint32_t flags = request->word0 >> 8;
  request->link = (flags & kFlagLink) != 0;
  request->atOnce = (flags & kFlagAtOnce) != 0;
  request->file = load(words + 1);
  request->user = static_cast<int32_t>(load(words + 2));
  request->offset = load(words + 3);
  request->length = load(words + 4);
  request->position = load(words + 5) | uint64_t{load(words + 6)} << 32;
  request->argument = load(words + 7);
  request->length2 = load(words + 8) | uint64_t{load(words + 9)} << 32;
  return request->op < kOpCount && (flags & ~(kFlagLink | kFlagAtOnce)) == 0;
}

int prepareOp(Op* op, const FileTable& files, const Arena& arena) {
  const Request& request = op->request;
  const Rule& rule = kRules[request.op];
  op->vector = nullptr;
  op->vectorCount = 0;
  op->total = 0;
  op->done = 0;
  op->cancelled = false;
  op->pauseMs = 0;
  op->file = nullptr;
  op->next = kNone;
  op->job = nullptr;
  if (rule.kinds != 0) {
    op->file = files.get(request.file);
    if (op->file == nullptr) return -EBADF;
    if ((rule.kinds >> op->file->kind & 1) == 0) return -EINVAL;
  }
  if ((request.argument & ~rule.arguments) != 0) return -EINVAL;
  int status = 0;
  switch (rule.shape) {
    case kBare:
      break;
    case kRange:
      status = prepareRange(op, arena, request.length);
      break;
    case kEightBytes:
      status = prepareRange(op, arena, 8);
      break;
    case kEntries:
      status = prepareEntries(op, arena);
      break;
  }
  if (status != 0) return status;
  // A receive of nothing would complete with 0, which means that the peer has closed.
  if ((request.op == kReceive || request.op == kReceiveVector) && op->total == 0) return -EINVAL;
  if (rule.positioned && (request.position > INT64_MAX || op->total > INT64_MAX - request.position)) return -EINVAL;
  return request.op == kAllocate ? checkAllocate(request) : 0;
}

bool isWhole(const Op& op, int32_t result) {
  if (result < 0) return false;
  switch (op.request.op) {
    case kReceive:
    case kReceiveVector:
      if ((op.request.argument & MSG_WAITALL) == 0) return true;
      break;
    case kNop:
    case kSync:
    case kAllocate:
    case kCancel:
      return true;
    default:
      break;
  }
  return static_cast<uint64_t>(result) == op.total;
}

uint32_t OpTable::take() {
  if (free_.empty()) {
    const uint32_t first = static_cast<uint32_t>(chunks_.size()) * kChunk;
    chunks_.emplace_back(new Op[kChunk]);
    free_.reserve(chunks_.size() * kChunk);
    for (uint32_t i = kChunk; i > 0; i--) free_.push_back(first + i - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  at(slot).active = true;
  active_++;
  return slot;
}

void OpTable::give(uint32_t slot) {
  at(slot).active = false;
  free_.push_back(slot);
  active_--;
}

uint32_t OpTable::find(int32_t user) {
  for (uint32_t slot = 0; slot < slots(); slot++) {
    Op& op = at(slot);
    if (op.active && op.request.op != kCancel && op.request.user == user) return slot;
  }
  return kNone;
}

}  // namespace snapring
