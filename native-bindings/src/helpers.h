// Threads that do operations on files for a ring without io_uring (poll.cc): whatever has to wait for a disk, or for a server that does not
// answer, waits in one of them, and not in the ring's own thread, unless the system grants no thread at all.
//
//   ring's thread            shared, under one lock                          a helper
//   give ──────────────────▶ waiting: by file, in order, files by turns ───▶ does it, with memory of its own
//   collect, next ◀───────── done ◀───────────────────────────────────────── its result; the event, if the ring sleeps
//   end ───────────────────▶ gone: what waits is dropped ··················▶ who comes back later closes its file, and ends
//
// Threads are started where none rests, and end after a second without work. How many a device may keep that hangs is measured by what is left:
// each file has one whenever it needs one, and further ones as long as it has less than a third of the free ones (alone: 16). So any number of
// devices may hang, and one more file is served all the same; there are never more than 60 threads beside one for each file.
//
// A helper knows nothing of N-API, and the kernel nothing of the arena: bytes are moved in memory of the helper's own, and copied from and to the
// arena, which is done through a gate that the ring closes at its end. An operation that hangs cannot be called back, and the arena goes with
// the thread's environment whatever the addon holds: what came back late would be written into memory that is somebody else's by then. The price
// is a copy of what had to wait for a disk anyway.
//
// What is done at once (inline_io.h) comes here never, and costs nothing of all this.
#ifndef SNAPRING_HELPERS_H
#define SNAPRING_HELPERS_H

#include <cstdint>
#include <memory>

#include "request.h"

namespace snapring {

// Whoever has been refused a thread asks for one again after so long, and not with each operation.
constexpr uint32_t kRefusedMs = 100;

class HelperPool;
struct Job;

class Helpers {
 public:
  // nullptr: there is no descriptor for the event.
  static std::unique_ptr<Helpers> make();
  explicit Helpers(std::shared_ptr<HelperPool> pool);
  // After `end`.
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // Of an operation on a file, in this slot; it may have been done in part. False: there is no thread, and none can be started.
  bool give(uint32_t slot, Op* op);
  // The system has refused a thread to what was given and could run: it is to be asked again in a while, by `next`.
  bool refused() const { return refused_; }
  // Operations that were given and have not come back by `next`.
  uint32_t away() const { return away_; }
  // What has been done until now, one by one; false: that was all. `result` is that of the whole operation.
  bool next(uint32_t* slot, int32_t* result);
  // 0: it was waiting, and has not been started (`next` does not know it any more); -EALREADY: it is being done; -ENOENT: it has been.
  int32_t cancel(Op* op);

  // Readable after something was done in a sleep.
  int event() const;
  // False: something has been done, there is no need to sleep.
  bool fallAsleep();
  void wakeUp();

  // What waits is never done; what is being done is waited for, within limits. True: nothing is under way.
  bool drain();
  // From here on nothing touches the arena, and no thread is left but those that hang. What these have keeps its file (`file` becomes nullptr): they
  // give it back themselves.
  void end(OpTable* ops);

 private:
  void recycle(Job* job);
  void dispatch();

  std::shared_ptr<HelperPool> pool_;
  // What has come back and is not told yet; and what can be used again.
  Job* done_ = nullptr;
  Job* free_ = nullptr;
  uint32_t away_ = 0;
  bool refused_ = false;
};

}  // namespace snapring

#endif
