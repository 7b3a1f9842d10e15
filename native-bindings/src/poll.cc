// The ring without io_uring. Operations on files that need not wait are done at once, others by helper threads (helpers.h); sockets, events and
// timeouts are tried, else parked, and served after poll(2) says that they can go on. The kernel calls are the only difference that a loop sees.
//
//   started ──▶ done ──▶ finish ──▶ the linked operation behind it
//      ├──▶ parked ──poll──▶ tried again ──┤
//      └──▶ away ──a helper has done it────┘
//
// Operations on one socket or event and direction are served in the order in which they came. As long as nothing was ever given to a helper there is
// none, and no more system calls than without.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "helpers.h"
#include "inline_io.h"
#include "ring.h"
#include "socket_io.h"

namespace snapring {

namespace {

// Between two tries where poll(2) itself is refused.
constexpr long kPauseNs = 1000000;
// Not a result of any operation: a helper has it.
constexpr int32_t kAway = kParked + 1;

uint64_t microseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

class PollRing final : public Ring {
 public:
  explicit PollRing(const RingMemory& memory) : Ring(memory) {}
  ~PollRing() override;

  int turn(uint32_t count, bool wait) override;
  int setFile(uint32_t index, int fd, FileKind kind) override { return files_.set(index, fd, kind); }
  bool drain() override;

 private:
  void run(uint32_t slot);
  void settle(uint32_t slot, int32_t result);
  void end(uint32_t slot, int32_t result);
  int32_t start(uint32_t slot);
  int32_t startFile(uint32_t slot);
  int32_t startStream(uint32_t slot);
  int32_t readEvent(Op* op);
  int32_t cancel(int32_t user);
  int32_t cancelAway(int32_t user);
  void collect();
  uint32_t away() const { return helpers_ == nullptr ? 0 : helpers_->away(); }
  void park(uint32_t slot);
  void unpark(Op* op);
  int sleep(bool wait);
  bool takeWatched();
  void serve();
  int32_t retry(uint32_t slot, short ready);

  std::vector<uint32_t> parked_;
  // Parallel to `parked_` while polling; timeouts have no descriptor (-1).
  std::vector<pollfd> polled_;
  uint64_t pass_ = 0;
  std::unique_ptr<Helpers> helpers_;
  bool drained_ = false;
};

PollRing::~PollRing() {
  if (!drained_) (void)drain();
  if (helpers_ != nullptr) helpers_->end(&ops_);
  for (uint32_t slot = 0; slot < ops_.slots(); slot++) {
    const Op& op = ops_.at(slot);
    if (op.active && op.file != nullptr) FileTable::release(op.file);
  }
}

// What is parked is never served: nothing happens to it outside of a turn.
bool PollRing::drain() {
  drained_ = true;
  return helpers_ == nullptr || helpers_->drain();
}

int PollRing::turn(uint32_t count, bool wait) {
  beginTurn(count);
  for (uint32_t i = 0; i < count;) {
    i = prepareChain(i, count);
    if (chain_.empty()) continue;
    for (size_t k = 0; k < chain_.size(); k++) {
      Op& op = ops_.at(chain_[k]);
      if (k + 1 < chain_.size()) op.next = chain_[k + 1];
      // What it starts on later is the file that it was given, whatever the table holds by then.
      if (op.file != nullptr) FileTable::hold(op.file);
    }
    run(chain_[0]);
  }
  collect();
  while (!parked_.empty() || (wait && out_ == 0 && away() > 0)) {
    const bool asleep = wait && out_ == 0;
    const int status = sleep(asleep);
    if (status < 0) return status;
    const bool ended = asleep && takeWatched();
    serve();
    collect();
    if (!asleep || ended || out_ > 0) break;
  }
  return static_cast<int>(out_);
}

// Start an operation, and those linked behind it as long as they end at once.
void PollRing::run(uint32_t slot) {
  const int32_t result = start(slot);
  if (result == kParked) return park(slot);
  if (result != kAway) settle(slot, result);
}

// What helpers have done.
void PollRing::collect() {
  uint32_t slot;
  int32_t result;
  while (helpers_ != nullptr && helpers_->next(&slot, &result)) settle(slot, result);
}

void PollRing::settle(uint32_t slot, int32_t result) {
  for (;;) {
    const bool whole = isWhole(ops_.at(slot), result);
    uint32_t next = ops_.at(slot).next;
    end(slot, result);
    while (!whole && next != kNone) {
      const uint32_t behind = ops_.at(next).next;
      end(next, -ECANCELED);
      next = behind;
    }
    if (next == kNone) return;
    slot = next;
    result = start(slot);
    if (result == kParked) return park(slot);
    if (result == kAway) return;
  }
}

void PollRing::end(uint32_t slot, int32_t result) {
  Op& op = ops_.at(slot);
  if (op.file != nullptr) FileTable::release(op.file);
  finish(slot, result);
}

int32_t PollRing::start(uint32_t slot) {
  Op& op = ops_.at(slot);
  if (isFileOp(op.request.op)) return startFile(slot);
  switch (op.request.op) {
    case kNop:
      return 0;
    case kCancel:
      return cancel(static_cast<int32_t>(op.request.argument));
    case kTimeout:
      op.deadline = microseconds() + op.request.argument;
      return kParked;
    default:
      return startStream(slot);
  }
}

// A chain costs nothing here: its members are started one after the other.
int32_t PollRing::startFile(uint32_t slot) {
  Op& op = ops_.at(slot);
  int32_t result;
  if (needNotWait(op, true)) {
    result = runInline(&op);
  } else if (!mayBeCached(op) || !readCached(&op, &result)) {
    if (helpers_ == nullptr) helpers_ = Helpers::make();
    if (helpers_ != nullptr && helpers_->give(slot, &op)) return kAway;
    result = runInline(&op);
  }
  counters_.inlined++;
  return result;
}

int32_t PollRing::startStream(uint32_t slot) {
  Op& op = ops_.at(slot);
  if (op.request.op == kEventRead) return kParked;
  if ((isSend(op) ? op.file->parkedOut : op.file->parkedIn) > 0) return kParked;
  return transferSocket(&op);
}

// Poll has said that there is something, but who reads the same event elsewhere may have been quicker: never block.
int32_t PollRing::readEvent(Op* op) {
  ssize_t moved = preadv2(op->file->fd, op->vector, 1, -1, RWF_NOWAIT);
  if (moved < 0 && (errno == EOPNOTSUPP || errno == ESPIPE || errno == EPERM || errno == ENOSYS)) {
    pollfd again = {op->file->fd, POLLIN, 0};
    if (::poll(&again, 1, 0) <= 0) return kParked;
    moved = read(op->file->fd, op->vector->iov_base, op->total);
  }
  if (moved >= 0) return static_cast<int32_t>(moved);
  return errno == EINTR || errno == EAGAIN ? kParked : -errno;
}

int32_t PollRing::cancel(int32_t user) {
  for (uint32_t& entry : parked_) {
    if (entry == kNone || ops_.at(entry).request.user != user) continue;
    const uint32_t slot = entry;
    entry = kNone;
    Op& op = ops_.at(slot);
    unpark(&op);
    // What has been moved has been moved: the answer must say so.
    settle(slot, op.done > 0 ? static_cast<int32_t>(op.done) : -ECANCELED);
    return 0;
  }
  return away() > 0 ? cancelAway(user) : -ENOENT;
}

int32_t PollRing::cancelAway(int32_t user) {
  const uint32_t slot = ops_.find(user);
  if (slot == kNone || ops_.at(slot).job == nullptr) return -ENOENT;
  Op& op = ops_.at(slot);
  const int32_t status = helpers_->cancel(&op);
  if (status == 0) settle(slot, joinResults(op.done, -ECANCELED));
  return status;
}

void PollRing::park(uint32_t slot) {
  Op& op = ops_.at(slot);
  parked_.push_back(slot);
  if (op.file != nullptr) (isSend(op) ? op.file->parkedOut : op.file->parkedIn)++;
}

void PollRing::unpark(Op* op) {
  if (op->file != nullptr) (isSend(*op) ? op->file->parkedOut : op->file->parkedIn)--;
}

int PollRing::sleep(bool wait) {
  polled_.clear();
  uint64_t deadline = UINT64_MAX;
  for (uint32_t slot : parked_) {
    if (slot == kNone) {
      polled_.push_back({-1, 0, 0});
      continue;
    }
    const Op& op = ops_.at(slot);
    if (op.file == nullptr) deadline = std::min(deadline, op.deadline);
    const short events = isSend(op) ? POLLOUT : POLLIN;
    polled_.push_back({op.file == nullptr ? -1 : op.file->fd, events, 0});
  }
  const bool helped = wait && away() > 0;
  // Something may have been done since the last look.
  if (helped && !helpers_->fallAsleep()) deadline = 0;
  if (helped && helpers_->refused()) deadline = std::min(deadline, microseconds() + uint64_t{kRefusedMs} * 1000);
  if (helped) polled_.push_back({helpers_->event(), POLLIN, 0});
  if (wait) polled_.push_back({watched_, POLLIN, 0});
  timespec limit = {0, 0};
  if (wait && deadline != UINT64_MAX) {
    const uint64_t now = microseconds();
    const uint64_t left = deadline > now ? deadline - now : 0;
    limit = {static_cast<time_t>(left / 1000000), static_cast<long>(left % 1000000 * 1000)};
  }
  const bool forever = wait && deadline == UINT64_MAX;
  counters_.enters++;
  const int status = ppoll(polled_.data(), polled_.size(), forever ? nullptr : &limit, nullptr);
  const int error = errno;
  if (helped) {
    helpers_->wakeUp();
    polled_.erase(polled_.end() - 2);
  }
  if (status >= 0) return 0;
  // No memory, or more entries than the limit on descriptors allows: then everything is tried, again and again.
  const bool refused = error == ENOMEM || error == EINVAL;
  if (error != EINTR && !refused) return -error;
  const timespec pause = {0, kPauseNs};
  if (refused && wait) nanosleep(&pause, nullptr);
  for (pollfd& entry : polled_) entry.revents = refused && entry.fd >= 0 ? entry.events : 0;
  return 0;
}

// The last entry of a sleep: the watched descriptor, which no operation stands for.
bool PollRing::takeWatched() {
  const bool readable = polled_.back().revents != 0;
  polled_.pop_back();
  return readable;
}

// Ending an operation can start linked ones, which park (appended) or cancel (their entry becomes kNone).
void PollRing::serve() {
  pass_++;
  const size_t count = polled_.size();
  for (size_t i = 0; i < count; i++) {
    const uint32_t slot = parked_[i];
    if (slot == kNone) continue;
    const int32_t result = retry(slot, polled_[i].revents);
    if (result == kParked) continue;
    parked_[i] = kNone;
    unpark(&ops_.at(slot));
    settle(slot, result);
  }
  parked_.erase(std::remove(parked_.begin(), parked_.end(), kNone), parked_.end());
}

int32_t PollRing::retry(uint32_t slot, short ready) {
  Op& op = ops_.at(slot);
  if (op.file == nullptr) return microseconds() >= op.deadline ? -ETIME : kParked;
  if (ready == 0) return kParked;
  if (op.request.op == kEventRead) {
    // One count is one wake: a second reader waits for the next.
    if (op.file->blockedIn == pass_) return kParked;
    op.file->blockedIn = pass_;
    return readEvent(&op);
  }
  uint64_t& blocked = isSend(op) ? op.file->blockedOut : op.file->blockedIn;
  if (blocked == pass_) return kParked;
  const int32_t result = transferSocket(&op);
  if (result == kParked) blocked = pass_;
  return result;
}

}  // namespace

std::unique_ptr<Ring> makePollRing(const RingMemory& memory) { return std::unique_ptr<Ring>(new PollRing(memory)); }

}  // namespace snapring
