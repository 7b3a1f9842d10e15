// What a ring and its helpers (helpers.h) share: the operations that wait, in an order that is fair, the threads, and what has been done. It lives as long
// as the ring or one of the threads.
//
//   file A   job job job        begin: the first of the first file that may have one more thread; the file goes behind the others
//   file B   job           ───▶ a thread that rests, or a new one, or nobody: then whoever ends next
//
// A thread that is done takes the next job by itself; it is asked by name (`wake`) only when it rests.
#ifndef SNAPRING_HELPER_POOL_H
#define SNAPRING_HELPER_POOL_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>

#include "request.h"

namespace snapring {

// Who is inside may touch the arena; it can be closed, for good, which waits for those inside: they only copy.
class Gate {
 public:
  bool enter() {
    if ((word_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return true;
    leave();
    return false;
  }
  void leave() { word_.fetch_sub(1, std::memory_order_release); }
  void close() {
    word_.fetch_or(kClosed, std::memory_order_acq_rel);
    const timespec moment = {0, 20000};
    while ((word_.load(std::memory_order_acquire) & ~kClosed) != 0) nanosleep(&moment, nullptr);
  }

 private:
  static constexpr uint32_t kClosed = 1u << 31;
  std::atomic<uint32_t> word_{0};
};

// All that a helper needs of an operation: the ring may be gone when it comes back.
struct Job {
  enum State : uint8_t { kWaiting, kRunning, kDone };
  Request request;
  File* file;
  // In the ring's memory: to be touched inside of the gate only.
  const iovec* vector;
  // Bytes that were moved before it came here, and those that are left.
  uint64_t moved;
  uint64_t left;
  uint32_t slot;
  int32_t result;
  State state;
  Job* next;
};

struct Helper;

// Everything is used with the lock held, but for the gate and `news`.
class HelperPool : public std::enable_shared_from_this<HelperPool> {
 public:
  explicit HelperPool(int signal) : event(signal) {}

  void put(Job* job);
  void takeOut(Job* job);
  void dispatch(bool mayStart);
  // Something waits that has no thread, and may have one.
  bool mayRunMore() const { return nextFile() != nullptr; }
  // The helper's job is done; it has the next one, or shall end (false).
  bool goOn(Helper* helper);

  std::mutex lock;
  Gate gate;
  int event;
  bool asleep = false;
  // Nothing is started any more; and nobody wants to hear of what is done.
  bool closing = false;
  bool gone = false;
  std::atomic<bool> news{false};
  // The last one first.
  Job* done = nullptr;
  uint32_t threads = 0;
  uint32_t running = 0;
  // A helper has no job any more, or has ended.
  std::condition_variable changed;
  // Who came last is asked first: the others end some time.
  Helper* resting = nullptr;

 private:
  bool mayRun(const Lane& lane) const;
  File* nextFile() const;
  Job* begin(File* file);
  bool start(File* file);
  void enlist(File* file);
  void delist(File* file);
  File* finish(Job* job);
  void rest(Helper* helper, std::unique_lock<std::mutex>* held);

  // Files with operations that wait, in the order of their turns.
  File* firstFile_ = nullptr;
  File* lastFile_ = nullptr;
  // Operations that run beside the first of their file.
  uint32_t shared_ = 0;
  // The system has refused a thread.
  std::chrono::steady_clock::time_point refusedUntil_{};
};

// A thread, as long as it lives.
struct Helper {
  std::shared_ptr<HelperPool> pool;
  Job* job = nullptr;
  Helper* next = nullptr;
  std::condition_variable wake;
  uint8_t* bounce = nullptr;
  // What it does at the moment, in its own memory.
  Op op;
};

}  // namespace snapring

#endif
