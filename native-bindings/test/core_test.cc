// The addon's core under AddressSanitizer and UndefinedBehaviorSanitizer, without node: good, bad and random descriptors
// on both rings. The arena ends at a page that may not be touched, so that the kernel's own writes are seen as well: a
// range that leaves the arena would come back as -EFAULT, or crash.
//
//   core_test [seed [rounds]]        exit code 0: all as expected; 1: the seed is named; anything else: a sanitizer
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <random>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "../src/device.h"
#include "../src/event.h"
#include "../src/ring.h"
#include "expect.h"
#include "last_threads.h"

using namespace snapring;

namespace {

constexpr uint64_t kArenaBytes = 256 * 1024;
constexpr uint64_t kFileBytes = 64 * 1024;
constexpr uint32_t kCapacity = 16;
constexpr uint32_t kFiles = 8;

struct Descriptor {
  uint32_t op = 0;
  uint32_t flags = 0;
  uint32_t file = 0;
  int32_t user = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint64_t position = 0;
  uint32_t argument = 0;
  uint64_t length2 = 0;
};

struct Done {
  int32_t user;
  int32_t result;
};

// 0 and 1: files, asynchronous and inline; 2 and 3: sockets connected with each other; 4: event; 5: a file that can only be
// read; 6: the event once more; 7: nothing.
class Rig {
 public:
  Rig(bool uring, uint32_t queueEntries, uint64_t registeredBytes) {
    void* map = mmap(nullptr, kArenaBytes + kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(map != MAP_FAILED);
    arena = static_cast<uint8_t*>(map);
    EXPECT(mprotect(arena + kArenaBytes, kPageBytes, PROT_NONE) == 0);
    submissions.reset(new int32_t[kCapacity * kDescriptorWords]());
    completions.reset(new int32_t[kCapacity * kCompletionWords]());
    const RingMemory memory = {{arena, kArenaBytes}, submissions.get(), completions.get(), kCapacity, kFiles,
                               registeredBytes,      queueEntries};
    int status = 0;
    ring = uring ? makeUring(memory, &status) : makePollRing(memory);
    EXPECT(ring != nullptr);
    openFiles();
  }

  ~Rig() {
    ring.reset();
    for (int fd : fds) close(fd);
    EXPECT(munmap(arena, kArenaBytes + kPageBytes) == 0);
  }

  void put(uint32_t index, const Descriptor& d) {
    int32_t* words = submissions.get() + index * kDescriptorWords;
    memset(words, 0, kDescriptorWords * 4);
    const uint32_t values[10] = {d.op | d.flags << 8,
                                 d.file,
                                 static_cast<uint32_t>(d.user),
                                 d.offset,
                                 d.length,
                                 static_cast<uint32_t>(d.position),
                                 static_cast<uint32_t>(d.position >> 32),
                                 d.argument,
                                 static_cast<uint32_t>(d.length2),
                                 static_cast<uint32_t>(d.length2 >> 32)};
    memcpy(words, values, sizeof values);
  }

  std::vector<Done> turn(const std::vector<Descriptor>& batch, bool wait) {
    for (uint32_t i = 0; i < batch.size(); i++) put(i, batch[i]);
    const int count = ring->turn(static_cast<uint32_t>(batch.size()), wait);
    EXPECT(count >= 0 && count <= static_cast<int>(kCapacity));
    std::vector<Done> done;
    for (int i = 0; i < count; i++) {
      const int32_t* words = completions.get() + i * kCompletionWords;
      done.push_back({words[0], words[1]});
    }
    return done;
  }

  // One operation alone, to its end.
  int32_t run(const Descriptor& d) {
    std::vector<Done> done = turn({d}, true);
    EXPECT(done.size() == 1);
    EXPECT(done[0].user == d.user);
    return done[0].result;
  }

  uint8_t* arena;
  std::unique_ptr<int32_t[]> submissions;
  std::unique_ptr<int32_t[]> completions;
  std::unique_ptr<Ring> ring;
  std::vector<int> fds;
  int event = -1;

 private:
  int keep(int fd) {
    EXPECT(fd >= 0);
    fds.push_back(fd);
    return fd;
  }

  void openFiles() {
    char path[] = "/tmp/snapring-core-XXXXXX";
    const int file = keep(mkstemp(path));
    const int readable = keep(open(path, O_RDONLY | O_CLOEXEC));
    EXPECT(unlink(path) == 0);
    EXPECT(ftruncate(file, kFileBytes) == 0);
    int pair[2];
    EXPECT(socketPair(pair) == 0);
    event = keep(createEvent());
    EXPECT(ring->setFile(0, file, kAsync) == 0);
    EXPECT(ring->setFile(1, file, kInline) == 0);
    EXPECT(ring->setFile(2, keep(pair[0]), kSocket) == 0);
    EXPECT(ring->setFile(3, keep(pair[1]), kSocket) == 0);
    EXPECT(ring->setFile(4, event, kEvent) == 0);
    EXPECT(ring->setFile(5, readable, kAsync) == 0);
    EXPECT(ring->setFile(6, event, kEvent) == 0);
  }
};

void testGood(bool uring) {
  Rig rig(uring, 0, kArenaBytes);
  const uint32_t end = kArenaBytes - 4096;
  memset(rig.arena, 7, 4096);
  for (uint32_t file = 0; file < 2; file++) {
    EXPECT(rig.run({kWrite, 0, file, 1, 0, 4096, 8192, kArgDsync, 0}) == 4096);
    EXPECT(rig.run({kSync, 0, file, 2, 0, 0, 0, 0, 0}) == 0);
    EXPECT(rig.run({kRead, 0, file, 3, end, 4096, 8192, 0, 0}) == 4096);
    EXPECT(memcmp(rig.arena, rig.arena + end, 4096) == 0);
    EXPECT(rig.run({kRead, 0, file, 4, 0, 4096, kFileBytes - 100, 0, 0}) == 100);
    EXPECT(rig.run({kAllocate, 0, file, 5, 0, 0, 8192, kModePunchHole | kModeKeepSize, 4096}) == 0);
    EXPECT(rig.run({kRead, 0, file, 6, end, 4096, 8192, 0, 0}) == 4096);
    EXPECT(rig.arena[end] == 0 && rig.arena[end + 4095] == 0);
  }
  EXPECT(rig.run({kWrite, 0, 5, 7, 0, 8, 0, 0, 0}) == -EBADF);
  EXPECT(rig.run({kTimeout, 0, 0, 8, 0, 0, 0, 100, 0}) == -ETIME);
  EXPECT(signalEvent(rig.event) == 0);
  EXPECT(rig.run({kEventRead, 0, 4, 9, 16, 0, 0, 0, 0}) == 8);
  EXPECT(rig.run({kNop, 0, 0, 10, 0, 0, 0, 0, 0}) == 0);
  EXPECT(rig.ring->copy(1, 0, kArenaBytes - 1) && !rig.ring->copy(2, 0, kArenaBytes - 1));
  EXPECT(rig.ring->zero(0, kArenaBytes) && !rig.ring->zero(1, UINT64_MAX));
}

// A watched descriptor ends a sleep with nothing as long as it is readable; what is under way goes on.
void testWatched(bool uring) {
  Rig rig(uring, 0, 0);
  const int watched = createEvent();
  EXPECT(watched >= 0);
  rig.ring->watch(watched);
  EXPECT(signalEvent(watched) == 0);
  EXPECT(rig.turn({{kEventRead, 0, 4, 1, 16, 0, 0, 0, 0}}, true).empty());
  EXPECT(rig.turn({}, true).empty());
  EXPECT(drainEvent(watched) == 0);
  EXPECT(signalEvent(rig.event) == 0);
  size_t done = 0;
  // At most one more sleep ends for what was there before.
  for (int i = 0; i < 2 && done == 0; i++) done = rig.turn({}, true).size();
  EXPECT(done == 1);
  EXPECT(rig.run({kTimeout, 0, 0, 2, 0, 0, 0, 100, 0}) == -ETIME);
  EXPECT(signalEvent(watched) == 0);
  EXPECT(rig.turn({{kEventRead, 0, 4, 3, 16, 0, 0, 0, 0}}, true).empty());
  rig.ring.reset();
  close(watched);
}

// Descriptors run short under a ring: a file is refused, its index stays as it was, one that goes is never refused, and what waits
// is served, although poll(2) takes no more entries than the limit.
void testShort(bool uring) {
  Rig rig(uring, 0, 0);
  rlimit before;
  EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit least = {1, before.rlim_max};
  EXPECT(setrlimit(RLIMIT_NOFILE, &least) == 0);
  EXPECT(rig.ring->setFile(7, rig.event, kEvent) == -EMFILE);
  EXPECT(rig.run({kEventRead, 0, 7, 1, 16, 8, 0, 0, 0}) == -EBADF);
  EXPECT(rig.ring->setFile(0, rig.event, kEvent) == -EMFILE);
  EXPECT(rig.run({kRead, 0, 0, 2, 0, 16, 0, 0, 0}) == 16);
  EXPECT(rig.ring->setFile(0, -1, kAsync) == 0);
  EXPECT(rig.run({kRead, 0, 0, 3, 0, 16, 0, 0, 0}) == -EBADF);
  const std::vector<Done> late = rig.turn({{kEventRead, 0, 4, 4, 16, 0, 0, 0, 0}, {kTimeout, 0, 0, 5, 0, 0, 0, 3000, 0}}, true);
  EXPECT(late.size() == 1 && late[0].user == 5 && late[0].result == -ETIME);
  EXPECT(signalEvent(rig.event) == 0);
  const std::vector<Done> woken = rig.turn({}, true);
  EXPECT(woken.size() == 1 && woken[0].user == 4 && woken[0].result == 8);
  EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

// A profile of system calls that knows no preadv2 and no pwritev2, as a container may have: for the rest of this process.
void denyVectorCalls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  filterCalls(filter);
}

void testBad(bool uring) {
  Rig rig(uring, 0, 4096);
  const uint32_t bytes = kArenaBytes;
  for (uint32_t file = 0; file < 2; file++) {
    for (uint32_t op : {kRead, kWrite}) {
      EXPECT(rig.run({op, 0, file, 1, bytes, 1, 0, 0, 0}) == -EINVAL);
      EXPECT(rig.run({op, 0, file, 2, 1, bytes, 0, 0, 0}) == -EINVAL);
      EXPECT(rig.run({op, 0, file, 3, UINT32_MAX, UINT32_MAX, 0, 0, 0}) == -EINVAL);
      EXPECT(rig.run({op, 0, file, 4, 0, 8, UINT64_MAX - 3, 0, 0}) == -EINVAL);
      EXPECT(rig.run({op, 0, file, 5, 0, 8, INT64_MAX - 3, 0, 0}) == -EINVAL);
    }
    EXPECT(rig.run({kReadVector, 0, file, 6, bytes - 8, 2, 0, 0, 0}) == -EINVAL);
    EXPECT(rig.run({kReadVector, 0, file, 7, UINT32_MAX - 3, 1024, 0, 0, 0}) == -EINVAL);
    EXPECT(rig.run({kAllocate, 0, file, 8, 0, 0, INT64_MAX, 0, 2}) == -EINVAL);
    EXPECT(rig.run({kAllocate, 0, file, 9, 0, 0, 0, 8, 4096}) == -EINVAL);
  }
  EXPECT(rig.run({kRead, 0, 7, 10, 0, 8, 0, 0, 0}) == -EBADF);
  EXPECT(rig.run({kRead, 0, UINT32_MAX, 11, 0, 8, 0, 0, 0}) == -EBADF);
  EXPECT(rig.run({kOpCount, 0, 0, 12, 0, 8, 0, 0, 0}) == -EINVAL);
  EXPECT(rig.run({kNop, 0xfffffe, 0, 13, 0, 8, 0, 0, 0}) == -EINVAL);
  EXPECT(rig.ring->setFile(kFiles, rig.fds[0], kAsync) == -EBADF);
  EXPECT(rig.ring->setFile(0, 1 << 20, kAsync) == -EBADF);
}

// A chain is started whole or not at all, and each of its members completes once.
void testChains(bool uring) {
  Rig rig(uring, 2, kArenaBytes);
  const std::vector<Descriptor> batch = {
      {kRead, kFlagLink, 0, 0, 0, 4096, kFileBytes - 1, 0, 0}, {kWrite, 0, 0, 1, 0, 8, 0, 0, 0},
      {kRead, kFlagLink, 1, 2, 0, 4096, kFileBytes - 1, 0, 0}, {kWrite, 0, 1, 3, 0, 8, 0, 0, 0},
      {kNop, kFlagLink, 0, 4, 0, 0, 0, 0, 0},                  {kRead, kFlagLink, 0, 5, 0, UINT32_MAX, 0, 0, 0},
      {kNop, kFlagLink, 0, 6, 0, 0, 0, 0, 0},
  };
  const int32_t expected[] = {1, -ECANCELED, 1, -ECANCELED, -ECANCELED, -EINVAL, -ECANCELED};
  std::vector<Done> all = rig.turn(batch, true);
  while (all.size() < batch.size()) {
    for (const Done& done : rig.turn({}, true)) all.push_back(done);
  }
  EXPECT(all.size() == batch.size());
  for (const Done& done : all) EXPECT(done.result == expected[done.user]);
}

using Random = std::mt19937;

uint32_t below(Random& random, uint32_t limit) { return static_cast<uint32_t>(random() % limit); }

// Numbers near the edges that matter, and a few from anywhere.
uint32_t edgy(Random& random, uint32_t edge) {
  switch (below(random, 6)) {
    case 0:
      return random();
    case 1:
      return edge - below(random, 16);
    case 2:
      return edge + below(random, 16);
    case 3:
      return UINT32_MAX - below(random, 16);
    default:
      return below(random, edge);
  }
}

Descriptor randomDescriptor(Random& random, int32_t user) {
  constexpr uint32_t kArguments[] = {0, 0, 0, 2, 1, 3, 16, 17, 256, 0x100, 0x8000, 0x4000};
  Descriptor d;
  d.op = below(random, 40) == 0 ? random() & 0xff : below(random, kOpCount);
  d.flags = below(random, 60) == 0 ? random() & 0xffffff : below(random, 3) == 0 ? kFlagLink : 0;
  d.file = below(random, 30) == 0 ? random() : below(random, kFiles);
  d.user = user;
  d.offset = edgy(random, kArenaBytes);
  d.length = d.op == kSendVector || d.op >= kReceiveVector ? edgy(random, 8) : edgy(random, 8192);
  if (d.op >= kReceiveVector || d.op == kSendVector) d.offset &= ~3u;
  d.position = below(random, 10) == 0 ? uint64_t{random()} << 32 | random() : below(random, kFileBytes + 8192);
  d.argument = below(random, 50) == 0 ? random() : kArguments[below(random, 12)];
  // Short enough that a waiting turn ends by itself; the user words to cancel are near our own.
  if (d.op == kTimeout) d.argument = below(random, 500);
  if (d.op == kCancel) d.argument = static_cast<uint32_t>(user) - below(random, 24);
  d.length2 = below(random, 10) == 0 ? uint64_t{random()} << 32 | random() : below(random, kFileBytes);
  // An allocation far out would fill the disk that the test runs on.
  if (d.op == kAllocate && d.argument < 2 && d.length2 < INT64_MAX) d.length2 %= kFileBytes;
  if (d.op == kAllocate && (d.argument & ~17u) == 0 && d.length2 > kFileBytes) d.argument = 8;
  return d;
}

void fillVectors(Random& random, uint8_t* arena) {
  for (int i = 0; i < 512; i++) {
    const uint32_t entry[2] = {edgy(random, kArenaBytes), below(random, 6) == 0 ? edgy(random, kArenaBytes) : below(random, 600)};
    memcpy(arena + below(random, kArenaBytes / 8) * 8, entry, 8);
  }
}

// Every descriptor completes exactly once, whatever it says.
void testRandom(bool uring, uint32_t seed, int rounds) {
  Random random(seed);
  Rig rig(uring, 1u << below(random, 6), below(random, 3) * (kArenaBytes / 2));
  std::vector<uint8_t> completed;
  size_t open = 0;
  const auto note = [&](const std::vector<Done>& done) {
    for (const Done& one : done) {
      EXPECT(one.user >= 0 && static_cast<size_t>(one.user) < completed.size());
      EXPECT(completed[one.user] == 0);
      EXPECT(one.result != -EFAULT);
      completed[one.user] = 1;
      open--;
    }
  };
  for (int round = 0; round < rounds; round++) {
    fillVectors(random, rig.arena);
    std::vector<Descriptor> batch(below(random, kCapacity + 1));
    for (Descriptor& d : batch) {
      d = randomDescriptor(random, static_cast<int32_t>(completed.size()));
      completed.push_back(0);
      open++;
    }
    if (below(random, 4) == 0) EXPECT(signalEvent(rig.event) == 0);
    note(rig.turn(batch, false));
  }
  // The rest: nobody sends or signals any more, so cancel until all have ended.
  for (int pass = 0; open > 0; pass++) {
    EXPECT(pass < 100000);
    for (size_t user = 0; user < completed.size() && open > 0; user++) {
      if (completed[user] != 0) continue;
      const Descriptor cancel = {kCancel, 0, 0, static_cast<int32_t>(completed.size()), 0, 0, 0, static_cast<uint32_t>(user), 0};
      completed.push_back(0);
      open++;
      note(rig.turn({cancel}, false));
      if (completed.size() > 1000000) exit(1);
      break;
    }
    note(rig.turn({}, false));
  }
}

void testAbandoned(bool uring, uint32_t seed) {
  Random random(seed);
  Rig rig(uring, 0, 0);
  for (int round = 0; round < 20; round++) {
    std::vector<Descriptor> batch(kCapacity);
    for (Descriptor& d : batch) d = randomDescriptor(random, round);
    (void)rig.turn(batch, false);
    if (round == 10) EXPECT(rig.ring->setFile(below(random, kFiles), -1, kAsync) == 0);
  }
}

void testDevice() {
  char path[] = "/tmp/snapring-core-XXXXXX";
  const int fd = mkstemp(path);
  EXPECT(fd >= 0 && ftruncate(fd, 12345) == 0);
  const int other = open(path, O_RDONLY | O_CLOEXEC);
  EXPECT(unlink(path) == 0);
  DeviceFacts facts = {};
  EXPECT(deviceFacts(fd, &facts) == 0);
  EXPECT(facts.kind == kRegularFile && facts.size == 12345 && facts.logicalBlock == 512);
  EXPECT(deviceFacts(1 << 20, &facts) == -EBADF);
  int32_t holder = -1;
  EXPECT(lockFile(fd, true, &holder) == 0 && holder == 0);
  EXPECT(lockFile(other, true, &holder) == -EAGAIN && holder == getpid());
  EXPECT(unlockFile(fd) == 0 && lockFile(other, true, &holder) == 0);
  close(fd);
  close(other);
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = argc > 1 ? static_cast<uint32_t>(strtoul(argv[1], nullptr, 10)) : std::random_device{}();
  const int rounds = argc > 2 ? atoi(argv[2]) : 400;
  fprintf(stderr, "seed %u, %d rounds\n", seed, rounds);
  const bool hasUring = probeUring() == 0;
  for (const bool uring : {false, true}) {
    if (uring && !hasUring) continue;
    testGood(uring);
    testWatched(uring);
    testShort(uring);
    testBad(uring);
    testChains(uring);
    for (uint32_t i = 0; i < 4; i++) testRandom(uring, seed + i, rounds);
    for (uint32_t i = 0; i < 4; i++) testAbandoned(uring, seed + i);
  }
  testDevice();
  denyVectorCalls();
  for (bool uring : {false, true}) {
    if (uring && !hasUring) continue;
    testGood(uring);
    testWatched(uring);
  }
  awaitHelpers();
  printf("%s\n", hasUring ? "uring poll" : "poll");
  return 0;
}
