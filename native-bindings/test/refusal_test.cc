// Whatever takes a resource of the system may be refused it, at any place: it says so by -errno (or does without, where it can), and
// keeps nothing. Under AddressSanitizer, which tells what was not freed.
//
//   refusal_test       exit code 0: all as expected; 1: the place is named; anything else: a sanitizer
//
// Descriptors run out at each of them in turn; calls are denied by seccomp, each in a child of its own, as a container's profile does it.
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/device.h"
#include "../src/event.h"
#include "../src/ring.h"
#include "expect.h"
#include "last_threads.h"

using namespace snapring;

namespace {

constexpr int kDescriptorsMax = 256;
constexpr uint64_t kArenaBytes = 64 * 1024;
constexpr uint32_t kCapacity = 8;
// More than the whole round has open at once.
constexpr int kRoom = 16;

uint8_t* arena;
int32_t submissions[kCapacity * kDescriptorWords];
int32_t completions[kCapacity * kCompletionWords];
int refused;

int openDescriptors() {
  int count = 0;
  for (int fd = 0; fd < kDescriptorsMax; fd++) count += isOpen(fd) ? 1 : 0;
  return count;
}

// Of calls that return 0 or more, or -errno.
int said(int status) {
  EXPECT(status > -4096);
  if (status < 0) refused++;
  return status;
}

// One nop, and a file that comes and goes.
void use(Ring* ring) {
  const int set = said(ring->setFile(0, STDERR_FILENO, kAsync));
  EXPECT(set <= 0 && ring->setFile(0, -1, kAsync) <= 0);
  const int done = said(ring->turn(1, true));
  EXPECT(done <= 1);
}

void useRings() {
  const RingMemory memory = {{arena, kArenaBytes}, submissions, completions, kCapacity, 4, kArenaBytes, 0};
  EXPECT(said(probeUring()) <= 0);
  int status = 0;
  std::unique_ptr<Ring> ring = makeUring(memory, &status);
  EXPECT((ring == nullptr) == (said(status) < 0));
  if (ring != nullptr) use(ring.get());
  ring = makePollRing(memory);
  use(ring.get());
}

void put(uint32_t index, uint32_t op, uint32_t file) {
  int32_t* words = submissions + index * kDescriptorWords;
  memset(words, 0, kDescriptorWords * 4);
  words[0] = static_cast<int32_t>(op);
  words[1] = static_cast<int32_t>(file);
  words[2] = static_cast<int32_t>(index);
}

// What has to wait for a disk is done by a helper, or within the turn where there can be none: it is done in any case.
void useHelpers(int file) {
  const RingMemory memory = {{arena, kArenaBytes}, submissions, completions, kCapacity, 4, 0, 0};
  const std::unique_ptr<Ring> ring = makePollRing(memory);
  if (said(ring->setFile(0, file, kAsync)) != 0) return;
  put(0, kSync, 0);
  EXPECT(ring->turn(1, true) == 1 && completions[1] == 0);
  refused += ring->counters().inlined == 1 ? 1 : 0;
  memset(submissions, 0, sizeof submissions);
}

void useRest() {
  const int event = said(createEvent());
  if (event >= 0) EXPECT(closeEvent(event) == 0);
  const int own = said(duplicateFile(STDERR_FILENO));
  if (own >= 0) close(own);
  int pair[2];
  if (said(socketPair(pair)) == 0) {
    close(pair[0]);
    close(pair[1]);
  }
}

// What is held by another is looked up in a file, which may not be opened either.
void useLocks(int one, int two) {
  int32_t holder;
  EXPECT(lockFile(one, true, &holder) == 0);
  EXPECT(lockFile(two, true, &holder) == -EAGAIN && (holder == 0 || holder == getpid()));
  EXPECT(unlockFile(one) == 0);
}

void useAll(int one, int two) {
  const int before = openDescriptors();
  useRings();
  useHelpers(one);
  useRest();
  useLocks(one, two);
  EXPECT(openDescriptors() == before);
}

void outOfDescriptors(int one, int two) {
  rlimit whole;
  EXPECT(getrlimit(RLIMIT_NOFILE, &whole) == 0);
  int last = -1;
  const int used = openDescriptors();
  for (int room = 0; room <= kRoom; room++) {
    const rlimit tight = {static_cast<rlim_t>(used + room), whole.rlim_max};
    EXPECT(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    refused = 0;
    useAll(one, two);
    EXPECT(room > 0 || refused > 3);
    last = refused;
  }
  EXPECT(setrlimit(RLIMIT_NOFILE, &whole) == 0);
  refused = 0;
  useAll(one, two);
  EXPECT(last == refused);
}

// From here on `call` fails; mmap only of a descriptor's memory, for the sanitizer needs its own.
void deny(unsigned call, int error) {
  const unsigned fdAt = offsetof(seccomp_data, args) + 4 * sizeof(uint64_t);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, fdAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  filterCalls(code);
}

// Of what has to wait for a disk: not one helper can be started, and all is done within the turn.
void noHelpers(int file) {
  deny(SYS_clone3, EAGAIN);
  useHelpers(file);
  EXPECT(refused == 1);
}

// One is there when no further one can be started: what it does not get to waits for it.
void noMoreHelpers(int one, int two) {
  const RingMemory memory = {{arena, kArenaBytes}, submissions, completions, kCapacity, 4, 0, 0};
  const std::unique_ptr<Ring> ring = makePollRing(memory);
  EXPECT(ring->setFile(0, one, kAsync) == 0 && ring->setFile(1, two, kAsync) == 0);
  put(0, kSync, 0);
  EXPECT(ring->turn(1, true) == 1 && ring->counters().inlined == 0);
  deny(SYS_clone3, EAGAIN);
  for (uint32_t i = 0; i < kCapacity; i++) put(i, kSync, i % 2);
  int done = ring->turn(kCapacity, true);
  while (done < static_cast<int>(kCapacity)) done += ring->turn(0, true);
  EXPECT(ring->counters().inlined == 0);
}

// In a process of its own: what is denied stays so.
template <typename Call>
void inChild(const char* name, int error, Call call) {
  refused = 0;
  awaitHelpers();
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    call();
    awaitHelpers();
    exit(0);
  }
  int status = -1;
  EXPECT(waitpid(child, &status, 0) == child);
  if (status == 0) return;
  fprintf(stderr, "%s denied with %d: status %d\n", name, error, status);
  exit(1);
}

}  // namespace

int main() {
  // What was inherited: numbers must be without gaps, for the limit is one of numbers.
  for (int fd = STDERR_FILENO + 1; fd < kDescriptorsMax; fd++) close(fd);
  arena = static_cast<uint8_t*>(mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT(arena != MAP_FAILED);
  char path[] = "/tmp/snapring-refusal-XXXXXX";
  const int one = mkstemp(path);
  const int two = open(path, O_RDONLY | O_CLOEXEC);
  EXPECT(one >= 0 && two >= 0 && unlink(path) == 0);
  outOfDescriptors(one, two);
  const struct {
    const char* name;
    unsigned call;
    int error;
  } cases[] = {
      {"io_uring_setup", SYS_io_uring_setup, EPERM},       {"io_uring_setup", SYS_io_uring_setup, ENOMEM},
      {"io_uring_register", SYS_io_uring_register, EPERM}, {"io_uring_register", SYS_io_uring_register, ENOMEM},
      {"io_uring_enter", SYS_io_uring_enter, EPERM},       {"mmap", SYS_mmap, ENOMEM},
      {"eventfd2", SYS_eventfd2, ENFILE},                  {"socketpair", SYS_socketpair, ENFILE},
  };
  for (const auto& entry : cases) {
    inChild(entry.name, entry.error, [&] {
      deny(entry.call, entry.error);
      useAll(one, two);
    });
  }
  inChild("clone3", EAGAIN, [&] { noHelpers(one); });
  inChild("clone3, later", EAGAIN, [&] { noMoreHelpers(one, two); });
  close(one);
  close(two);
  awaitHelpers();
  return 0;
}
