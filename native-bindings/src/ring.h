// A batch ring: what io_uring (uring.cc) and its stand-in (poll.cc) have in common, and the only header that the
// binding needs. A ring belongs to the thread that made it.
//
//   turn(count, wait)
//     completions kept back ──▶ out        beginTurn
//     descriptors ─ chains ──▶ started     prepareChain; a chain is a run of linked descriptors
//     wait for one, unless out has some; or until the watched descriptor is readable
//     completions ──▶ out, the rest kept   emit
//
// A chain with a bad descriptor is not started at all: the bad one completes with its error, the others with -ECANCELED.
#ifndef SNAPRING_RING_H
#define SNAPRING_RING_H

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "file_table.h"
#include "layout.h"
#include "request.h"

namespace snapring {

// Rounds in which a ring that is closed waits for what it cannot cancel (a disk that is busy).
constexpr int kDrainRounds = 100;
constexpr int kDrainRoundMs = 100;

struct RingMemory {
  Arena arena;
  const int32_t* submissions;
  int32_t* completions;
  uint32_t capacity;
  uint32_t files;
  // The first bytes of the arena that shall be registered with the kernel.
  uint64_t registeredBytes;
  // Entries of the kernel's submission queue; 0: as many as the capacity.
  uint32_t queueEntries;
};

struct Counters {
  uint64_t enters = 0;
  uint64_t turns = 0;
  uint64_t submitted = 0;
  uint64_t completed = 0;
  uint64_t inlined = 0;
};

// What a ring got of what it asked for.
struct RingFacts {
  uint32_t setupFlags = 0;
  uint64_t registeredBytes = 0;
  bool registeredFiles = false;
};

class Ring {
 public:
  explicit Ring(const RingMemory& memory) : memory_(memory), files_(memory.files) {}
  virtual ~Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // The number of completions, or -errno: the ring itself has failed. With nothing in flight it never sleeps.
  virtual int turn(uint32_t count, bool wait) = 0;
  // 0 or -errno.
  virtual int setFile(uint32_t index, int fd, FileKind kind) = 0;
  // The last call: cancels what can be cancelled, and waits for the rest, within limits. True: nothing is under way any more, and the arena may
  // be used for something else. Who does not call it leaves it to the destructor.
  virtual bool drain() { return true; }
  // A sleep ends also when this descriptor is readable: the turn returns then, as a rule with nothing. It stays the caller's,
  // and open as long as the ring is.
  void watch(int fd) { watched_ = fd; }

  const RingMemory& memory() const { return memory_; }
  const Counters& counters() const { return counters_; }
  const RingFacts& facts() const { return facts_; }
  // False: out of range, nothing done.
  bool copy(uint64_t target, uint64_t source, uint64_t length);
  bool zero(uint64_t target, uint64_t length);

 protected:
  void beginTurn(uint32_t count);
  // Takes the descriptors of one chain into `chain_` (empty: it was refused) and returns the index behind it.
  uint32_t prepareChain(uint32_t index, uint32_t count);
  void failChain(size_t first, size_t bad, int32_t status);
  void finish(uint32_t slot, int32_t result);
  bool hasRoom() const { return out_ < memory_.capacity; }

  RingMemory memory_;
  FileTable files_;
  OpTable ops_;
  std::vector<uint32_t> chain_;
  Counters counters_;
  RingFacts facts_;
  uint32_t out_ = 0;
  int watched_ = -1;

 private:
  struct Kept {
    int32_t user;
    int32_t result;
    uint32_t word0;
  };
  void emit(const Kept& completion);

  std::deque<Kept> kept_;
};

// 0: io_uring works and can do all that a ring needs; else -errno.
int probeUring();
// nullptr: refused, and `*status` is -errno.
std::unique_ptr<Ring> makeUring(const RingMemory& memory, int* status);
std::unique_ptr<Ring> makePollRing(const RingMemory& memory);

}  // namespace snapring

#endif
