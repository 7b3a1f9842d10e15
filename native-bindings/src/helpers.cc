#include "helpers.h"

#include <cerrno>
#include <chrono>
#include <mutex>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include "helper_pool.h"
#include "ring.h"

namespace snapring {

std::unique_ptr<Helpers> Helpers::make() {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return nullptr;
  return std::unique_ptr<Helpers>(new Helpers(std::make_shared<HelperPool>(event)));
}

Helpers::Helpers(std::shared_ptr<HelperPool> pool) : pool_(std::move(pool)) {}

Helpers::~Helpers() {
  while (free_ != nullptr) {
    Job* job = free_;
    free_ = job->next;
    delete job;
  }
}

bool Helpers::give(uint32_t slot, Op* op) {
  Job* job = free_ == nullptr ? new Job : free_;
  if (free_ != nullptr) free_ = job->next;
  job->request = op->request;
  job->file = op->file;
  job->vector = op->vector;
  job->moved = op->done;
  job->left = op->total - op->done;
  job->slot = slot;
  const std::lock_guard<std::mutex> held(pool_->lock);
  pool_->put(job);
  dispatch();
  if (pool_->threads == 0) {
    pool_->takeOut(job);
    recycle(job);
    refused_ = false;
    return false;
  }
  op->job = job;
  away_++;
  return true;
}

// With the lock held.
void Helpers::dispatch() {
  pool_->dispatch(true);
  refused_ = pool_->mayRunMore();
}

void Helpers::recycle(Job* job) {
  job->next = free_;
  free_ = job;
}

bool Helpers::next(uint32_t* slot, int32_t* result) {
  if (refused_) {
    // Those that are at work may all hang, with devices of others: none of them would take what waits.
    const std::lock_guard<std::mutex> held(pool_->lock);
    dispatch();
  }
  if (done_ == nullptr && pool_->news.load(std::memory_order_acquire)) {
    const std::lock_guard<std::mutex> held(pool_->lock);
    pool_->news.store(false, std::memory_order_relaxed);
    for (Job* job = pool_->done; job != nullptr;) {
      Job* before = job->next;
      job->next = done_;
      done_ = job;
      job = before;
    }
    pool_->done = nullptr;
  }
  if (done_ == nullptr) return false;
  Job* job = done_;
  done_ = job->next;
  *slot = job->slot;
  *result = job->result;
  recycle(job);
  away_--;
  return true;
}

int32_t Helpers::cancel(Op* op) {
  const std::lock_guard<std::mutex> held(pool_->lock);
  Job* job = op->job;
  if (job->state != Job::kWaiting) return job->state == Job::kRunning ? -EALREADY : -ENOENT;
  pool_->takeOut(job);
  recycle(job);
  away_--;
  return 0;
}

int Helpers::event() const { return pool_->event; }

bool Helpers::fallAsleep() {
  const std::lock_guard<std::mutex> held(pool_->lock);
  pool_->asleep = pool_->done == nullptr;
  return pool_->asleep;
}

void Helpers::wakeUp() {
  std::unique_lock<std::mutex> held(pool_->lock);
  const bool signalled = !pool_->asleep;
  pool_->asleep = false;
  held.unlock();
  uint64_t count;
  if (signalled) (void)!read(pool_->event, &count, sizeof count);
}

bool Helpers::drain() {
  std::unique_lock<std::mutex> held(pool_->lock);
  pool_->closing = true;
  const std::chrono::milliseconds most(kDrainRounds * kDrainRoundMs);
  return pool_->changed.wait_for(held, most, [this] { return pool_->running == 0; });
}

void Helpers::end(OpTable* ops) {
  pool_->gate.close();
  std::unique_lock<std::mutex> held(pool_->lock);
  pool_->closing = true;
  pool_->gone = true;
  for (uint32_t slot = 0; slot < ops->slots(); slot++) {
    Op& op = ops->at(slot);
    if (!op.active || op.job == nullptr) continue;
    if (op.job->state == Job::kRunning) {
      op.file = nullptr;
    } else {
      recycle(op.job);
    }
    op.job = nullptr;
  }
  (void)close(pool_->event);
  pool_->event = -1;
  for (Helper* helper = pool_->resting; helper != nullptr; helper = helper->next) helper->wake.notify_one();
  while (pool_->threads > pool_->running) pool_->changed.wait(held);
}

}  // namespace snapring
