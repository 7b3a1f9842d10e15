// Descriptors drawn from a seed against both rings, judged by a model that knows nothing of the core.
//
//   guard page │ arena …………………………………… │ guard page      submissions │ canary      completions │ canary
//
//   draw a batch ─▶ predict: refused or not ─▶ turn ─▶ judge
//
// Judged, after every batch: what is refused by the contract (io-descriptor.ts) has failed, and so has the whole of its chain;
// every descriptor completes exactly once, with no more than it asked for; a byte of the arena has changed only where a
// descriptor that was accepted may have put something; a byte of a file only where one may have written, and where exactly one
// has, it is what stood in the arena; what was sent is what was received and what is left. The kernel would report an
// address outside of the arena as -EFAULT, for it ends at pages that may not be touched. Files come and go, sockets fill up,
// rings are short, and are taken down with operations in flight. A racing thread changes descriptors and vectors while they are
// read: then only what must hold in any case is judged.
//
//   core_fuzz seed seconds        lives of fresh seeds for so long, at least one on each ring; the seed of each is printed on a failure
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include "../src/event.h"
#include "../src/ring.h"
#include "last_threads.h"

using namespace snapring;

namespace {

constexpr uint64_t kArenaBytes = 128 * 1024;
constexpr uint64_t kFileBytes = 32 * 1024;
// No file grows beyond this (RLIMIT_FSIZE), whatever is asked for.
constexpr uint64_t kFileMax = 96 * 1024;
constexpr uint32_t kFiles = 12;
constexpr int32_t kCanary = 0x5afe5afe;
constexpr int kCanaries = 16;
constexpr int kBatches = 60;

uint32_t lifeSeed = 0;
bool lifeUring = false;

#define EXPECT(condition)                                                                                       \
  do {                                                                                                          \
    if (!(condition)) {                                                                                         \
      fprintf(stderr, "%s:%d: seed %u, %s: not so: %s\n", __FILE__, __LINE__, lifeSeed, lifeUring ? "uring" : "poll", \
              #condition);                                                                                      \
      abort();                                                                                                  \
    }                                                                                                           \
  } while (0)

struct Random {
  std::mt19937 engine;
  uint32_t any() { return static_cast<uint32_t>(engine()); }
  uint32_t below(uint32_t limit) { return any() % limit; }
  bool chance(uint32_t percent) { return below(100) < percent; }
  // Near the edges that matter, or anywhere.
  uint32_t edgy(uint32_t edge) {
    switch (below(9)) {
      case 0:
        return any();
      case 1:
        return edge - below(16);
      case 2:
        return edge + below(16);
      case 3:
        return UINT32_MAX - below(16);
      case 4:
        return 0;
      default:
        return below(edge);
    }
  }
  uint64_t wide(uint64_t edge) {
    switch (below(8)) {
      case 0:
        return uint64_t{any()} << 32 | any();
      case 1:
        return static_cast<uint64_t>(INT64_MAX) - below(4096) + below(4096);
      case 2:
        return UINT64_MAX - below(4096);
      case 3:
        return edge - below(16) + below(32);
      default:
        return below(static_cast<uint32_t>(edge));
    }
  }
};

// An inode and its content as it must be; `descriptors` are its open files.
struct Disk {
  int fd = -1;
  std::vector<uint8_t> content;
};

// What the model knows of an index of the ring's file table.
struct Entry {
  bool set = false;
  FileKind kind = kAsync;
  int disk = -1;
  bool writable = true;
  int stream = -1;
};

struct Range {
  uint64_t start;
  uint64_t length;
};

// A descriptor that was given to the ring and has not completed.
struct Pending {
  uint32_t op = 0;
  bool refused = false;
  Entry entry;
  std::vector<Range> memory;
  uint64_t total = 0;
  uint64_t position = 0;
  uint64_t length2 = 0;
  uint32_t argument = 0;
  // Accepted descriptors of this batch only have content that can be known.
  uint64_t batch = 0;
};

// Which kinds of file an operation is for, and which argument bits: the contract once more, in other words.
bool takesFile(uint32_t op, FileKind kind) {
  switch (op) {
    case kRead:
    case kWrite:
    case kSync:
    case kAllocate:
    case kReadVector:
    case kWriteVector:
      return kind == kAsync || kind == kInline;
    case kReceive:
    case kSend:
    case kSendVector:
    case kReceiveVector:
      return kind == kSocket;
    default:
      return kind == kEvent;
  }
}

bool needsFile(uint32_t op) { return op != kNop && op != kCancel && op != kTimeout; }
bool isVector(uint32_t op) { return op == kSendVector || op >= kReceiveVector; }
bool isInput(uint32_t op) {
  return op == kRead || op == kReadVector || op == kReceive || op == kReceiveVector || op == kEventRead;
}
bool isDiskWrite(uint32_t op) { return op == kWrite || op == kWriteVector; }
bool isSending(uint32_t op) { return op == kSend || op == kSendVector; }
bool isReceiving(uint32_t op) { return op == kReceive || op == kReceiveVector; }

uint32_t allowedArguments(uint32_t op) {
  switch (op) {
    case kWrite:
    case kWriteVector:
      return 2;
    case kReceive:
    case kReceiveVector:
      return MSG_WAITALL;
    case kSend:
    case kSendVector:
      return MSG_MORE | MSG_WAITALL | MSG_NOSIGNAL;
    case kNop:
    case kAllocate:
    case kCancel:
    case kTimeout:
      return UINT32_MAX;
    default:
      return 0;
  }
}

bool allowedMode(uint32_t mode) { return mode == 0 || mode == 1 || mode == 3 || mode == 16 || mode == 17 || mode == 256; }

class Life {
 public:
  Life(bool uring, uint32_t seed) : random_{std::mt19937(seed)} {
    chaos_ = random_.chance(25);
    capacity_ = random_.chance(30) ? 1 + random_.below(3) : 1 + random_.below(48);
    makeArena();
    submissions_ = makeWords(capacity_ * kDescriptorWords);
    completions_ = makeWords(capacity_ * kCompletionWords);
    const uint64_t registered = random_.below(3) * (kArenaBytes / 2);
    const uint32_t queue = random_.chance(50) ? 0 : 1u << random_.below(6);
    const RingMemory memory = {{arena_, kArenaBytes}, submissions_.data(), completions_.data(), capacity_, kFiles, registered, queue};
    int status = 0;
    ring_ = uring ? makeUring(memory, &status) : makePollRing(memory);
    EXPECT(ring_ != nullptr);
    openFiles();
  }

  ~Life() {
    ring_.reset();
    for (int fd : fds_) close(fd);
    EXPECT(munmap(arena_ - kPageBytes, kArenaBytes + 2 * kPageBytes) == 0);
  }

  void run() {
    std::atomic<bool> stop{false};
    std::thread racer;
    if (chaos_) racer = std::thread([this, &stop] { race(stop); });
    for (batch_ = 1; batch_ <= kBatches; batch_++) {
      if (!chaos_) changeArena();
      if (random_.chance(10)) changeFile();
      if (random_.chance(25)) EXPECT(signalEvent(event_) == 0);
      before_.assign(arena_, arena_ + kArenaBytes);
      submit();
      judge();
    }
    stop = true;
    if (racer.joinable()) racer.join();
    if (random_.chance(40)) return abandon();
    drain();
    judgeStreams();
  }

 private:
  void makeArena() {
    void* map = mmap(nullptr, kArenaBytes + 2 * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(map != MAP_FAILED);
    arena_ = static_cast<uint8_t*>(map) + kPageBytes;
    EXPECT(mprotect(arena_ - kPageBytes, kPageBytes, PROT_NONE) == 0);
    EXPECT(mprotect(arena_ + kArenaBytes, kPageBytes, PROT_NONE) == 0);
    for (uint64_t i = 0; i < kArenaBytes; i += 4) putWord(i, random_.any());
  }

  static std::vector<int32_t> makeWords(uint32_t count) {
    std::vector<int32_t> words(count + kCanaries, 0);
    std::fill(words.end() - kCanaries, words.end(), kCanary);
    return words;
  }

  static void store(void* word, uint32_t value) { __atomic_store_n(static_cast<uint32_t*>(word), value, __ATOMIC_RELAXED); }
  void putWord(uint64_t offset, uint32_t value) { store(arena_ + offset, value); }

  int keep(int fd) {
    EXPECT(fd >= 0);
    fds_.push_back(fd);
    return fd;
  }

  void set(uint32_t index, int fd, const Entry& entry) {
    EXPECT(ring_->setFile(index, fd, entry.kind) == 0);
    entries_[index] = entry;
    numbers_[index] = fd;
  }

  // 0, 2: an inode, asynchronous and inline; 1, 3: another one; 4: the second for reading only; 5, 6 and 7, 8: sockets; 9: event.
  void openFiles() {
    const char* folder = getenv("TMPDIR");
    for (int i = 0; i < 2; i++) {
      std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/snapring-fuzz-XXXXXX";
      Disk& disk = disks_[i];
      disk.fd = keep(mkstemp(path.data()));
      const int readable = i == 1 ? keep(open(path.c_str(), O_RDONLY | O_CLOEXEC)) : -1;
      EXPECT(unlink(path.c_str()) == 0);
      disk.content.resize(kFileBytes);
      for (uint8_t& byte : disk.content) byte = static_cast<uint8_t>(random_.any());
      EXPECT(pwrite(disk.fd, disk.content.data(), kFileBytes, 0) == static_cast<ssize_t>(kFileBytes));
      for (FileKind kind : {kAsync, kInline}) set(i + (kind == kInline ? 2 : 0), disk.fd, {true, kind, i, true, -1});
      if (readable >= 0) set(4, readable, {true, kAsync, i, false, -1});
    }
    for (int i = 0; i < 2; i++) {
      int pair[2];
      EXPECT(socketPair(pair) == 0);
      for (int end = 0; end < 2; end++) {
        streams_[2 * i + end] = keep(pair[end]);
        set(static_cast<uint32_t>(5 + 2 * i + end), pair[end], {true, kSocket, -1, true, 2 * i + end});
      }
    }
    event_ = keep(createEvent());
    set(9, event_, {true, kEvent, -1, true, -1});
  }

  // An entry is cleared, or becomes another file; the operations in flight keep the file that they were given.
  void changeFile() {
    EXPECT(ring_->setFile(kFiles + random_.below(3), event_, kEvent) == -EBADF);
    EXPECT(ring_->setFile(random_.below(kFiles), 1 << 20, kAsync) == -EBADF);
    const uint32_t index = random_.below(kFiles);
    // A failed change leaves the entry as the ring says: set it anew.
    for (uint32_t i = 0; i < kFiles; i++) {
      const int fd = entries_[i].set ? numbers_[i] : -1;
      EXPECT(ring_->setFile(i, fd, entries_[i].kind) == 0);
    }
    const uint32_t from = random_.below(10);
    if (random_.chance(50) || !entries_[from].set) set(index, -1, Entry{});
    else set(index, numbers_[from], entries_[from]);
  }

  void changeArena() {
    for (int i = 0; i < 200; i++) {
      const uint64_t at = uint64_t{random_.below(kArenaBytes / 8)} * 8;
      putWord(at, random_.edgy(kArenaBytes));
      putWord(at + 4, random_.chance(15) ? random_.edgy(kArenaBytes) : random_.below(900));
    }
  }

  void race(std::atomic<bool>& stop) {
    Random mine{std::mt19937(lifeSeed ^ 0x5eed)};
    while (!stop) {
      putWord(uint64_t{mine.below(kArenaBytes / 4)} * 4, mine.edgy(kArenaBytes));
      const uint32_t word = mine.below(capacity_ * kDescriptorWords);
      // The user word stays, so that completions can be counted; the operation too often would be none.
      if (word % kDescriptorWords != 2 && mine.chance(50)) store(&submissions_[word], mine.edgy(kArenaBytes));
    }
  }

  void put(uint32_t index, const uint32_t (&values)[10]) {
    for (uint32_t i = 0; i < 10; i++) store(&submissions_[index * kDescriptorWords + i], values[i]);
  }

  // Draws a descriptor, writes it down, and says what must become of it.
  bool draw(uint32_t index, int32_t user, Pending* pending) {
    constexpr uint32_t kArguments[] = {0, 0, 0, 0, 2, 1, 3, 16, 17, 256, MSG_WAITALL, MSG_NOSIGNAL, MSG_MORE, MSG_PEEK};
    const uint32_t op = random_.chance(3) ? random_.any() & 0xff : random_.below(kOpCount);
    const uint32_t flags = random_.chance(2) ? random_.any() & 0xffffff : random_.chance(30) ? kFlagLink : 0;
    const uint32_t file = random_.chance(4) ? random_.any() : random_.below(kFiles);
    uint32_t offset = random_.edgy(kArenaBytes);
    const uint32_t length = isVector(op) ? random_.edgy(8) : random_.edgy(6000);
    if (isVector(op) && random_.chance(90)) offset &= ~3u;
    const uint64_t position = random_.wide(kFileBytes);
    uint32_t argument = random_.chance(3) ? random_.any() : kArguments[random_.below(14)];
    if (op == kTimeout) argument = random_.below(300);
    if (op == kCancel) argument = static_cast<uint32_t>(user) - random_.below(24);
    const uint64_t length2 = random_.wide(kFileBytes);
    put(index, {op | flags << 8, file, static_cast<uint32_t>(user), offset, length, static_cast<uint32_t>(position),
                static_cast<uint32_t>(position >> 32), argument, static_cast<uint32_t>(length2), static_cast<uint32_t>(length2 >> 32)});
    pending->op = op;
    pending->position = position;
    pending->argument = argument;
    pending->length2 = length2;
    pending->batch = batch_;
    pending->refused = (flags & ~kFlagLink) != 0 || !accept(file, offset, length, pending);
    return (flags & kFlagLink) != 0;
  }

  // The contract, in arithmetic that cannot wrap.
  bool accept(uint32_t file, uint32_t offset, uint32_t length, Pending* pending) {
    using Wide = unsigned __int128;
    const uint32_t op = pending->op;
    if (op >= kOpCount) return false;
    if (needsFile(op)) {
      if (file >= kFiles || !entries_[file].set || !takesFile(op, entries_[file].kind)) return false;
      pending->entry = entries_[file];
    }
    if ((pending->argument & ~allowedArguments(op)) != 0) return false;
    const bool bare = op == kSync || op == kAllocate || !needsFile(op);
    if (!bare && isVector(op)) {
      if (length == 0 || length > kVectorMax || offset % 4 != 0 || Wide{offset} + Wide{length} * 8 > kArenaBytes) return false;
      for (uint32_t i = 0; i < length; i++) {
        uint32_t pair[2];
        memcpy(pair, arena_ + offset + uint64_t{i} * 8, 8);
        pending->memory.push_back({pair[0], pair[1]});
      }
    } else if (!bare) {
      pending->memory.push_back({offset, op == kEventRead ? 8 : length});
    }
    Wide total = 0;
    for (const Range& range : pending->memory) {
      if (Wide{range.start} + range.length > kArenaBytes) return false;
      total += range.length;
    }
    if (total > kTransferMax || (isReceiving(op) && total == 0)) return false;
    pending->total = static_cast<uint64_t>(total);
    const bool positioned = pending->entry.disk >= 0 && op != kSync;
    if (positioned && Wide{pending->position} + total > static_cast<Wide>(INT64_MAX)) return false;
    if (op != kAllocate) return true;
    return allowedMode(pending->argument) && pending->length2 != 0 &&
           Wide{pending->position} + pending->length2 <= static_cast<Wide>(INT64_MAX);
  }

  void submit() {
    const uint32_t count = random_.below(capacity_ + 1);
    size_t chain = 0;
    std::vector<Pending> drawn(count);
    for (uint32_t i = 0; i < count; i++) {
      const bool linked = draw(i, nextUser_ + static_cast<int32_t>(i), &drawn[i]);
      if (linked && i + 1 < count) continue;
      // A chain with a bad member is not started at all.
      const bool bad = std::any_of(drawn.begin() + chain, drawn.begin() + i + 1, [](const Pending& p) { return p.refused; });
      for (size_t k = chain; k <= i; k++) drawn[k].refused = bad;
      chain = i + 1;
    }
    for (Pending& pending : drawn) open_.emplace(nextUser_++, std::move(pending));
    finished_.clear();
    take(ring_->turn(count, false));
    // The rest of what ends by itself; what waits for others stays.
    for (int i = 0; i < 3; i++) take(ring_->turn(0, false));
  }

  void take(int count) {
    EXPECT(count >= 0 && count <= static_cast<int>(capacity_));
    for (int i = 0; i < count; i++) {
      const int32_t user = completions_[i * kCompletionWords];
      const int32_t result = completions_[i * kCompletionWords + 1];
      const auto found = open_.find(user);
      EXPECT(found != open_.end());
      check(found->second, result);
      finished_.push_back({std::move(found->second), result});
      open_.erase(found);
    }
  }

  void check(const Pending& pending, int32_t result) {
    EXPECT(result != -EFAULT);
    if (chaos_) return;
    if (pending.refused) EXPECT(result == -EINVAL || result == -EBADF || result == -ECANCELED);
    if (!pending.memory.empty() && result > 0) EXPECT(static_cast<uint64_t>(result) <= pending.total);
    if (isDiskWrite(pending.op) && result > 0) EXPECT(pending.entry.writable);
    if (result > 0 && isSending(pending.op)) sent_[pending.entry.stream] += static_cast<uint64_t>(result);
    if (result > 0 && isReceiving(pending.op)) received_[pending.entry.stream] += static_cast<uint64_t>(result);
  }

  void judge() {
    for (const std::vector<int32_t>* words : {&submissions_, &completions_}) {
      EXPECT(std::all_of(words->end() - kCanaries, words->end(), [](int32_t word) { return word == kCanary; }));
    }
    if (chaos_) return judgeReadOnly();
    std::vector<uint8_t> mayChange(kArenaBytes, 0);
    for (const auto& [pending, result] : finished_) {
      if (isInput(pending.op) && result > 0) mark(pending, static_cast<uint64_t>(result), &mayChange);
    }
    for (const auto& [user, pending] : open_) {
      if (!pending.refused && isInput(pending.op)) mark(pending, pending.total, &mayChange);
    }
    for (uint64_t i = 0; i < kArenaBytes; i++) {
      if (arena_[i] != before_[i]) EXPECT(mayChange[i] != 0);
    }
    for (int disk = 0; disk < 2; disk++) judgeDisk(disk, mayChange);
  }

  // The first `bytes` of what the descriptor names.
  static void mark(const Pending& pending, uint64_t bytes, std::vector<uint8_t>* marks) {
    for (const Range& range : pending.memory) {
      const uint64_t part = std::min(bytes, range.length);
      std::fill_n(marks->begin() + static_cast<int64_t>(range.start), part, 1);
      bytes -= part;
    }
  }

  void judgeDisk(int disk, const std::vector<uint8_t>& unstable) {
    constexpr int kUnknown = -1;
    std::vector<int> known(kFileMax, -2);
    bool pending = false;
    for (const auto& [user, open] : open_) pending = pending || (!open.refused && open.entry.disk == disk);
    for (const auto& [done, result] : finished_) {
      if (done.refused || done.entry.disk != disk) continue;
      if (done.op == kAllocate) {
        for (uint64_t i = done.position; i < std::min(kFileMax, done.position + done.length2); i++) known[i] = kUnknown;
      } else if (isDiskWrite(done.op)) {
        // A failed write may have changed something, too.
        uint64_t at = done.position;
        uint64_t sure = result > 0 ? static_cast<uint64_t>(result) : 0;
        for (const Range& range : done.memory) {
          for (uint64_t i = 0; i < range.length && at < kFileMax; i++, at++) {
            const bool clear = known[at] == -2 && sure > 0 && !unstable[range.start + i] && done.batch == batch_;
            known[at] = clear ? before_[range.start + i] : kUnknown;
            if (sure > 0) sure--;
          }
        }
      }
    }
    std::vector<uint8_t>& content = disks_[disk].content;
    struct stat facts;
    EXPECT(fstat(disks_[disk].fd, &facts) == 0 && static_cast<uint64_t>(facts.st_size) <= kFileMax);
    std::vector<uint8_t> now(static_cast<uint64_t>(facts.st_size));
    EXPECT(pread(disks_[disk].fd, now.data(), now.size(), 0) == facts.st_size);
    for (uint64_t i = 0; i < now.size() && !pending; i++) {
      if (known[i] >= 0) EXPECT(now[i] == known[i]);
      if (known[i] == -2) EXPECT(now[i] == (i < content.size() ? content[i] : 0));
    }
    EXPECT(now.size() >= content.size());
    content = now;
  }

  // The second inode may be written through two entries; nothing that is read-only writes.
  void judgeReadOnly() {
    struct stat facts;
    for (const Disk& disk : disks_) EXPECT(fstat(disk.fd, &facts) == 0 && static_cast<uint64_t>(facts.st_size) <= kFileMax);
  }

  // Nobody sends or signals any more: what waits ends when the sockets do, or is cancelled.
  void drain() {
    for (int fd : streams_) {
      std::vector<uint8_t> rest(1 << 16);
      ssize_t moved;
      while ((moved = recv(fd, rest.data(), rest.size(), MSG_DONTWAIT)) > 0) left_ += static_cast<uint64_t>(moved);
      take(ring_->turn(0, false));
    }
    for (int pass = 0; !open_.empty(); pass++) {
      EXPECT(pass < 200000);
      // Each of them in turn: what is linked behind another one cannot be cancelled by itself.
      auto chosen = open_.begin();
      std::advance(chosen, pass % static_cast<int>(open_.size()));
      const int32_t target = chosen->first;
      Pending cancel;
      cancel.op = kCancel;
      put(0, {kCancel, 0, static_cast<uint32_t>(nextUser_), 0, 0, 0, 0, static_cast<uint32_t>(target), 0, 0});
      open_.emplace(nextUser_++, cancel);
      finished_.clear();
      take(ring_->turn(1, false));
      take(ring_->turn(0, false));
      for (int fd : streams_) {
        uint8_t rest[4096];
        ssize_t moved;
        while ((moved = recv(fd, rest, sizeof rest, MSG_DONTWAIT)) > 0) left_ += static_cast<uint64_t>(moved);
      }
    }
  }

  void judgeStreams() {
    if (chaos_) return;
    uint64_t sent = 0;
    uint64_t received = 0;
    for (int i = 0; i < 4; i++) {
      sent += sent_[i];
      received += received_[i];
    }
    EXPECT(sent == received + left_);
  }

  // A ring that is gone writes nowhere, whatever arrives.
  void abandon() {
    ring_.reset();
    before_.assign(arena_, arena_ + kArenaBytes);
    EXPECT(signalEvent(event_) == 0);
    const char bytes[512] = {};
    for (int fd : streams_) (void)!send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    usleep(200);
    EXPECT(memcmp(arena_, before_.data(), kArenaBytes) == 0);
  }

  Random random_;
  bool chaos_ = false;
  uint32_t capacity_ = 0;
  uint64_t batch_ = 0;
  int32_t nextUser_ = -500;
  uint8_t* arena_ = nullptr;
  std::vector<int32_t> submissions_;
  std::vector<int32_t> completions_;
  std::unique_ptr<Ring> ring_;
  std::vector<int> fds_;
  Disk disks_[2];
  int streams_[4] = {};
  int event_ = -1;
  Entry entries_[kFiles];
  int numbers_[kFiles] = {};
  std::vector<uint8_t> before_;
  std::unordered_map<int32_t, Pending> open_;
  std::vector<std::pair<Pending, int32_t>> finished_;
  uint64_t sent_[4] = {};
  uint64_t received_[4] = {};
  uint64_t left_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint32_t first = static_cast<uint32_t>(strtoul(argv[1], nullptr, 10));
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(atof(argv[2]) * 1000));
  const rlimit limit = {kFileMax, kFileMax};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return 2;
  const bool hasUring = probeUring() == 0;
  uint64_t lives = 0;
  lifeSeed = first;
  do {
    for (const bool uring : {false, true}) {
      if (uring && !hasUring) continue;
      lifeUring = uring;
      Life(uring, lifeSeed).run();
      lives++;
    }
    lifeSeed++;
  } while (std::chrono::steady_clock::now() < end);
  printf("%llu lives of %d batches, seeds %u to %u, on %s\n", static_cast<unsigned long long>(lives), kBatches, first, lifeSeed - 1,
         hasUring ? "uring and poll" : "poll");
  awaitHelpers();
  return 0;
}
