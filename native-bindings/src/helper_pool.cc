#include "helper_pool.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <pthread.h>
#include <sys/mman.h>

#include "event.h"
#include "helper_work.h"
#include "helpers.h"

namespace snapring {

namespace {

// Threads beside one for each file: enough for the queue of a fast disk, and a small part of what a system grants.
constexpr uint32_t kShared = 60;
constexpr size_t kStackBytes = 256 * 1024;
constexpr std::chrono::seconds kRest(1);

void* help(void* data) {
  Helper* helper = static_cast<Helper*>(data);
  (void)pthread_setname_np(pthread_self(), "snapring-helper");
  do perform(helper);
  while (helper->pool->goOn(helper));
  (void)munmap(helper->bounce, kBounceBytes);
  delete helper;
  return nullptr;
}

// No signal of the process is a helper's to take.
int startThread(Helper* helper) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return EAGAIN;
  (void)pthread_attr_setstacksize(&attributes, kStackBytes);
  (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int status = pthread_create(&thread, &attributes, help, helper);
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)pthread_attr_destroy(&attributes);
  return status;
}

}  // namespace

bool HelperPool::mayRun(const Lane& lane) const { return lane.running == 0 || 3 * (lane.running - 1) < kShared - shared_; }

void HelperPool::enlist(File* file) {
  file->lane.next = nullptr;
  (lastFile_ == nullptr ? firstFile_ : lastFile_->lane.next) = file;
  lastFile_ = file;
}

void HelperPool::delist(File* file) {
  File* ahead = nullptr;
  for (File* at = firstFile_; at != file; at = at->lane.next) ahead = at;
  (ahead == nullptr ? firstFile_ : ahead->lane.next) = file->lane.next;
  if (lastFile_ == file) lastFile_ = ahead;
}

void HelperPool::put(Job* job) {
  Lane& lane = job->file->lane;
  job->state = Job::kWaiting;
  job->next = nullptr;
  if (lane.first == nullptr) enlist(job->file);
  (lane.first == nullptr ? lane.first : lane.last->next) = job;
  lane.last = job;
}

// Out of those that wait, wherever it stands there.
void HelperPool::takeOut(Job* job) {
  Lane& lane = job->file->lane;
  Job* ahead = nullptr;
  for (Job* at = lane.first; at != job; at = at->next) ahead = at;
  (ahead == nullptr ? lane.first : ahead->next) = job->next;
  if (lane.last == job) lane.last = ahead;
  if (lane.first == nullptr) delist(job->file);
}

// The first one in turn of which something may run.
File* HelperPool::nextFile() const {
  for (File* file = closing ? nullptr : firstFile_; file != nullptr; file = file->lane.next) {
    if (mayRun(file->lane)) return file;
  }
  return nullptr;
}

// The file's first operation; the file goes behind the others.
Job* HelperPool::begin(File* file) {
  Lane& lane = file->lane;
  Job* job = lane.first;
  takeOut(job);
  if (lane.first != nullptr) {
    delist(file);
    enlist(file);
  }
  if (lane.running++ > 0) shared_++;
  running++;
  job->state = Job::kRunning;
  return job;
}

// What may run, to threads that rest, or to new ones.
void HelperPool::dispatch(bool mayStart) {
  for (File* file = nextFile(); file != nullptr; file = nextFile()) {
    if (resting != nullptr) {
      Helper* helper = resting;
      resting = helper->next;
      helper->job = begin(file);
      helper->wake.notify_one();
    } else if (!mayStart || !start(file)) {
      return;
    }
  }
}

// False: the system has refused a thread, or its memory; nothing has changed.
bool HelperPool::start(File* file) {
  const auto now = std::chrono::steady_clock::now();
  if (now < refusedUntil_) return false;
  refusedUntil_ = now + std::chrono::milliseconds(kRefusedMs);
  void* bounce = mmap(nullptr, kBounceBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bounce == MAP_FAILED) return false;
  Helper* helper = new Helper;
  helper->pool = shared_from_this();
  helper->bounce = static_cast<uint8_t*>(bounce);
  helper->job = file->lane.first;
  if (startThread(helper) != 0) {
    (void)munmap(bounce, kBounceBytes);
    delete helper;
    return false;
  }
  // It may be at work by now, but it looks at nothing that is shared before it has the lock.
  (void)begin(file);
  refusedUntil_ = now;
  threads++;
  return true;
}

// The file, if the helper is to give it back.
File* HelperPool::finish(Job* job) {
  File* file = job->file;
  if (--file->lane.running > 0) shared_--;
  running--;
  changed.notify_all();
  if (gone) {
    delete job;
    return file;
  }
  job->state = Job::kDone;
  job->next = done;
  done = job;
  news.store(true, std::memory_order_release);
  if (asleep) (void)signalEvent(event);
  asleep = false;
  return nullptr;
}

bool HelperPool::goOn(Helper* helper) {
  std::unique_lock<std::mutex> held(lock);
  File* orphan = finish(helper->job);
  helper->job = nullptr;
  if (File* file = nextFile(); file != nullptr) {
    helper->job = begin(file);
    // What has ended may have made room for more than one.
    dispatch(false);
  } else if (!closing) {
    rest(helper, &held);
  }
  if (helper->job != nullptr) return true;
  threads--;
  changed.notify_all();
  held.unlock();
  // To close the last descriptor of a file may take as long as the operation did.
  if (orphan != nullptr) FileTable::release(orphan);
  return false;
}

// Until there is a job for it, or it has rested for long enough.
void HelperPool::rest(Helper* helper, std::unique_lock<std::mutex>* held) {
  helper->next = resting;
  resting = helper;
  const auto until = std::chrono::steady_clock::now() + kRest;
  while (helper->job == nullptr && !closing) {
    if (helper->wake.wait_until(*held, until) == std::cv_status::timeout) break;
  }
  if (helper->job != nullptr) return;
  Helper** at = &resting;
  while (*at != helper) at = &(*at)->next;
  *at = helper->next;
}

}  // namespace snapring
