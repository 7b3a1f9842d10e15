// The ring over io_uring. One io_uring_enter per turn: it submits the batch, runs the deferred task work, and waits.
//
// The kernel knows an operation by its slot in the op table (user_data), so that a completion can be believed only for
// something that was really started. Anything the kernel refuses at set-up (flags, registered files, registered buffers) is
// done without; RingFacts tells.
#include <cerrno>
#include <ctime>
#include <liburing.h>
#include <poll.h>

#include "inline_io.h"
#include "ring.h"
#include "socket_io.h"
#include "uring_setup.h"

// Debian 12's liburing is older than the kernels it runs on (see uring_setup.h, too).
#ifndef IORING_SQ_TASKRUN
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#ifndef IORING_ASYNC_CANCEL_ALL
#define IORING_ASYNC_CANCEL_ALL (1U << 0)
#endif
#ifndef IORING_ASYNC_CANCEL_ANY
#define IORING_ASYNC_CANCEL_ANY (1U << 2)
#endif
#ifndef RWF_DSYNC
#define RWF_DSYNC 2
#endif

namespace snapring {

namespace {

// user_data of requests that are the ring's own.
constexpr uint64_t kOwn = ~uint64_t{0};
constexpr uint64_t kWatch = kOwn - 1;
// The kernel registers at most 1 GiB in one buffer.
constexpr uint64_t kPieceBytes = uint64_t{1} << 30;
// A queue that the kernel does not take from for so long (each round gives it room first) is out of order.
constexpr int kSubmitRounds = 64;
// poll32_events has its halves exchanged where the machine is big-endian.
constexpr uint32_t kPollIn = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? uint32_t{POLLIN} << 16 : uint32_t{POLLIN};
// The kernel takes nothing now (no memory, no room for completions), and may do so in a moment.
constexpr bool isShort(int status) { return status == -EAGAIN || status == -EBUSY || status == -ENOMEM; }
// The longest pause of a send whose reader makes no room.
constexpr uint32_t kPauseMsMax = 16;

// Of an operation whose first bytes were moved within the turn.
int32_t wholeResult(const Op& op, int32_t rest) { return op.request.op == kRead ? joinResults(op.done, rest) : rest; }

class Uring final : public Ring {
 public:
  explicit Uring(const RingMemory& memory) : Ring(memory) {}
  ~Uring() override;

  int open();
  int turn(uint32_t count, bool wait) override;
  int setFile(uint32_t index, int fd, FileKind kind) override;
  bool drain() override;

 private:
  void registerFiles();
  void clearFiles();
  void registerArena();
  void startChain();
  bool isMixed(size_t i);
  bool isInTurn(const Op& op) const;
  size_t runInlinePart();
  bool readAtOnce(uint32_t slot);
  bool sendAtOnce(uint32_t slot);
  void sendEnded(uint32_t slot, int32_t result);
  bool maySendOn(const Op& op) const;
  void pauseSends();
  int makeRoom(size_t entries);
  void fill(io_uring_sqe* sqe, uint32_t slot);
  void fillTransfer(io_uring_sqe* sqe, const Op& op, bool write);
  void fillMessage(io_uring_sqe* sqe, Op* op);
  void fillCancel(io_uring_sqe* sqe, const Op& op);
  bool armWatch();
  bool kernelHasNews() const;
  int enter(bool wait);
  void harvest(bool everything);

  io_uring ring_ = {};
  bool open_ = false;
  // Something is queued that is worth an enter of its own: not only receives and wake-ups that wait for others anyway.
  bool urgent_ = false;
  bool draining_ = false;
  // A poll of the watched descriptor is under way; it has said that there is something, and nobody has been told.
  bool watching_ = false;
  bool watchFired_ = false;
  // Indices of the file table that the kernel was not willing to clear or to change (no memory).
  std::vector<uint32_t> uncleared_;
  // Sends that came back short and wait for a place in the queue.
  std::vector<uint32_t> unsent_;
};

Uring::~Uring() {
  if (!open_) return;
  if (!draining_) (void)drain();
  // The kernel takes a ring down in the background: what is registered would stay in use (locked, exclusive) for a while.
  if (facts_.registeredFiles) (void)io_uring_unregister_files(&ring_);
  if (facts_.registeredBytes > 0) (void)io_uring_unregister_buffers(&ring_);
  io_uring_queue_exit(&ring_);
}

int Uring::open() {
  const uint32_t entries = memory_.queueEntries != 0 ? memory_.queueEntries : memory_.capacity;
  const uint32_t completions = entries * 2 < 256 ? 256 : entries * 2;
  const int status = setUpUring(&ring_, entries, completions, &facts_.setupFlags);
  if (status != 0) return status;
  open_ = true;
  // Saves the look-up of the ring's own descriptor in each enter; a kernel without it works as well.
  (void)io_uring_register_ring_fd(&ring_);
  registerFiles();
  registerArena();
  return 0;
}

void Uring::registerFiles() {
  if (memory_.files == 0) return;
  int status = io_uring_register_files_sparse(&ring_, memory_.files);
  if (status != 0) {
    const std::vector<int> none(memory_.files, -1);
    status = io_uring_register_files(&ring_, none.data(), memory_.files);
  }
  facts_.registeredFiles = status == 0;
}

void Uring::registerArena() {
  const uint64_t bytes = memory_.registeredBytes;
  if (bytes == 0) return;
  std::vector<iovec> pieces;
  for (uint64_t at = 0; at < bytes; at += kPieceBytes) {
    pieces.push_back({memory_.arena.base + at, bytes - at < kPieceBytes ? bytes - at : kPieceBytes});
  }
  const int status = io_uring_register_buffers(&ring_, pieces.data(), static_cast<unsigned>(pieces.size()));
  if (status == 0) facts_.registeredBytes = bytes;
}

int Uring::setFile(uint32_t index, int fd, FileKind kind) {
  const int status = files_.set(index, fd, kind);
  if (status != 0 || !facts_.registeredFiles) return status;
  int own = fd >= 0 ? files_.get(index)->fd : -1;
  const int updated = io_uring_register_files_update(&ring_, index, &own, 1);
  if (updated == 1) return 0;
  // What is there no more is not there for us; the kernel is asked again. To take a file away is never refused.
  uncleared_.push_back(index);
  if (own < 0) return 0;
  (void)files_.set(index, -1, kind);
  return updated < 0 ? updated : -EBADF;
}

void Uring::clearFiles() {
  for (size_t i = uncleared_.size(); i-- > 0;) {
    int none = -1;
    if (files_.get(uncleared_[i]) == nullptr && io_uring_register_files_update(&ring_, uncleared_[i], &none, 1) != 1) continue;
    uncleared_.erase(uncleared_.begin() + static_cast<ptrdiff_t>(i));
  }
}

int Uring::turn(uint32_t count, bool wait) {
  beginTurn(count);
  if (!uncleared_.empty()) clearFiles();
  for (uint32_t i = 0; i < count;) {
    i = prepareChain(i, count);
    if (!chain_.empty()) startChain();
  }
  for (;;) {
    pauseSends();
    const bool ready = io_uring_cq_ready(&ring_) > 0;
    const bool sleep = wait && out_ == 0 && !ready && ops_.active() > 0 && unsent_.empty();
    if (sleep && watched_ >= 0 && !armWatch()) return 0;
    // With completions at hand the loop comes back at once: what can wait goes with the next enter.
    const bool lazy = out_ > 0 && !urgent_;
    int status = 0;
    if (sleep || (!lazy && io_uring_sq_ready(&ring_) > 0) || (!ready && kernelHasNews())) status = enter(sleep);
    harvest(false);
    // Short of memory, or of room for completions: what was harvested makes some; the rest of the queue is kept.
    if (status < 0 && !isShort(status)) return status;
    if (out_ > 0 || !sleep) return static_cast<int>(out_);
    if (status < 0) {
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
    }
  }
}

void Uring::startChain() {
  for (size_t i = 1; i < chain_.size(); i++) {
    if (isMixed(i)) return failChain(0, i, -EINVAL);
  }
  if (chain_.size() == 1 && (sendAtOnce(chain_[0]) || readAtOnce(chain_[0]))) return;
  const size_t first = runInlinePart();
  const size_t rest = chain_.size() - first;
  if (rest == 0) return;
  const int status = makeRoom(rest);
  if (status != 0) return failChain(first, first, status);
  for (size_t i = first; i < chain_.size(); i++) fill(io_uring_get_sqe(&ring_), chain_[i]);
}

// The kernel cannot start something of ours when its part has ended: inline operations may only lead a chain.
bool Uring::isMixed(size_t i) { return isInTurn(ops_.at(chain_[i])) && !isInTurn(ops_.at(chain_[i - 1])); }

bool Uring::isInTurn(const Op& op) const {
  if (!isFileOp(op.request.op)) return false;
  const bool alone = chain_.size() == 1;
  if (needNotWait(op, alone)) return true;
  // The kernels that we want to run on have no discard through io_uring.
  const bool discard = op.request.op == kAllocate && op.request.argument == kModeDiscard && op.file->block;
  return discard && op.file->wait != kWaitsAlways && (alone || op.file->kind == kAsync);
}

// Returns the index of the first member that is the kernel's; after a failure, the end of the chain.
size_t Uring::runInlinePart() {
  for (size_t i = 0; i < chain_.size(); i++) {
    Op& op = ops_.at(chain_[i]);
    if (!isInTurn(op)) return i;
    counters_.inlined++;
    const int32_t result = runInline(&op);
    const bool stop = !isWhole(op, result);
    finish(chain_[i], result);
    if (stop) {
      failChain(i + 1, chain_.size(), 0);
      break;
    }
  }
  return chain_.size();
}

// True: the read is over. What is not in the page cache is the kernel's to fetch; what is has been read by then.
bool Uring::readAtOnce(uint32_t slot) {
  Op& op = ops_.at(slot);
  int32_t result;
  if (op.request.op != kRead || !mayBeCached(op) || !readCached(&op, &result)) return false;
  counters_.inlined++;
  finish(slot, result);
  return true;
}

// True: the send is over. What finds no room in the socket goes on in the kernel, behind what went there before.
bool Uring::sendAtOnce(uint32_t slot) {
  Op& op = ops_.at(slot);
  if (!isSend(op)) return false;
  const int32_t result = op.file->parkedOut > 0 ? kParked : transferSocket(&op);
  if (result != kParked) {
    counters_.inlined++;
    finish(slot, result);
    return true;
  }
  return false;
}

// The kernel's part of a send has ended, or a pause of it. The kernel may give up with a short count or EAGAIN, in spite of
// MSG_WAITALL: the peer has half-closed, for which it always finds the socket ready, looks 128 times, and cannot wait for a socket
// that is O_NONBLOCK. There is nothing to wait for but time, then: the rest is tried again after a pause.
void Uring::sendEnded(uint32_t slot, int32_t result) {
  Op& op = ops_.at(slot);
  const bool paused = op.pauseMs > 0;
  if (!paused && result > 0) {
    op.done += static_cast<uint64_t>(result);
    advanceVector(&op, static_cast<uint64_t>(result));
  }
  if ((paused || result > 0 || result == -EAGAIN) && maySendOn(op)) {
    const uint64_t before = op.done;
    result = transferSocket(&op);
    if (result == kParked) {
      const bool moved = !paused || op.done > before;
      op.pauseMs = moved ? 1 : op.pauseMs < kPauseMsMax ? 2 * op.pauseMs : kPauseMsMax;
      return unsent_.push_back(slot);
    }
  }
  op.sending = false;
  op.file->parkedOut--;
  FileTable::release(op.file);
  finish(slot, op.done > 0 ? static_cast<int32_t>(op.done) : result);
}

// Not what was cancelled, nor where the kernel has given up what was linked behind it, or the descriptor has another meaning now.
bool Uring::maySendOn(const Op& op) const {
  return op.done < op.total && !op.cancelled && !op.request.link && !draining_ && files_.get(op.request.file) == op.file;
}

// Pauses of sends that came back short, as far as the queue has room.
void Uring::pauseSends() {
  while (!unsent_.empty()) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) return;
    Op& op = ops_.at(unsent_.back());
    op.timeout = {0, static_cast<long long>(op.pauseMs) * 1000000};
    *sqe = {};
    sqe->fd = -1;
    sqe->opcode = IORING_OP_TIMEOUT;
    sqe->addr = reinterpret_cast<uint64_t>(&op.timeout);
    sqe->len = 1;
    sqe->user_data = unsent_.back();
    unsent_.pop_back();
    urgent_ = true;
  }
}

// A chain must not be torn over two submissions. 0, or -errno: nothing of it was queued.
int Uring::makeRoom(size_t entries) {
  if (entries > *ring_.sq.kring_entries) return -EINVAL;
  for (int round = 0; io_uring_sq_space_left(&ring_) < entries; round++) {
    if (round == kSubmitRounds) return -EAGAIN;
    const int status = enter(false);
    if (isShort(status)) {
      harvest(true);
    } else if (status < 0) {
      return status;
    }
  }
  return 0;
}

void Uring::fill(io_uring_sqe* sqe, uint32_t slot) {
  *sqe = {};
  Op& op = ops_.at(slot);
  if (op.request.op != kReceive && op.request.op != kReceiveVector && op.request.op != kEventRead) urgent_ = true;
  sqe->user_data = slot;
  if (op.file != nullptr) {
    sqe->fd = facts_.registeredFiles ? static_cast<int>(op.request.file) : op.file->fd;
    if (facts_.registeredFiles) sqe->flags |= IOSQE_FIXED_FILE;
  } else {
    sqe->fd = -1;
  }
  if (isSend(op)) {
    op.file->parkedOut++;
    FileTable::hold(op.file);
    op.sending = true;
  }
  if (op.request.link) sqe->flags |= IOSQE_IO_LINK;
  // The kernel asks a file of FUSE whether it is ready, and waits for the answer, and for the operation then: within the submission.
  if (isFileOp(op.request.op) && op.file->wait == kWaitsAlways) sqe->flags |= IOSQE_ASYNC;
  switch (op.request.op) {
    case kRead:
    case kReadVector:
    case kEventRead:
      return fillTransfer(sqe, op, false);
    case kWrite:
    case kWriteVector:
      return fillTransfer(sqe, op, true);
    case kSync:
      sqe->opcode = IORING_OP_FSYNC;
      sqe->fsync_flags = IORING_FSYNC_DATASYNC;
      return;
    case kAllocate:
      sqe->opcode = IORING_OP_FALLOCATE;
      // Discard reaches the kernel for plain files only: there it is a hole.
      sqe->len = op.request.argument == kModeDiscard ? kModePunchHole | kModeKeepSize : op.request.argument;
      sqe->off = op.request.position;
      sqe->addr = op.request.length2;
      return;
    case kReceive:
    case kSend:
    case kReceiveVector:
    case kSendVector:
      return fillMessage(sqe, &op);
    case kCancel:
      return fillCancel(sqe, op);
    case kTimeout:
      op.timeout = {op.request.argument / 1000000, op.request.argument % 1000000 * 1000};
      sqe->opcode = IORING_OP_TIMEOUT;
      sqe->addr = reinterpret_cast<uint64_t>(&op.timeout);
      sqe->len = 1;
      return;
    default:
      sqe->opcode = IORING_OP_NOP;
  }
}

void Uring::fillTransfer(io_uring_sqe* sqe, const Op& op, bool write) {
  const Request& request = op.request;
  sqe->off = request.op == kEventRead ? 0 : request.position + op.done;
  sqe->rw_flags = write && (request.argument & kArgDsync) != 0 ? RWF_DSYNC : 0;
  if (request.op == kReadVector || request.op == kWriteVector) {
    sqe->opcode = write ? IORING_OP_WRITEV : IORING_OP_READV;
    sqe->addr = reinterpret_cast<uint64_t>(op.vector);
    sqe->len = op.vectorCount;
    return;
  }
  sqe->addr = reinterpret_cast<uint64_t>(op.vector->iov_base);
  sqe->len = static_cast<uint32_t>(op.total - op.done);
  const uint64_t end = request.offset + op.total;
  const uint64_t piece = request.offset / kPieceBytes;
  const bool fixed = op.total > op.done && end <= facts_.registeredBytes && (end - 1) / kPieceBytes == piece;
  if (fixed && request.op != kEventRead) {
    sqe->opcode = write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
    sqe->buf_index = static_cast<uint16_t>(piece);
  } else {
    sqe->opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
  }
}

void Uring::fillMessage(io_uring_sqe* sqe, Op* op) {
  const bool send = op->request.op == kSend || op->request.op == kSendVector;
  sqe->msg_flags = send ? MSG_WAITALL | MSG_NOSIGNAL | (op->request.argument & MSG_MORE) : op->request.argument;
  if (op->request.op == kSend || op->request.op == kReceive) {
    sqe->opcode = send ? IORING_OP_SEND : IORING_OP_RECV;
    sqe->addr = reinterpret_cast<uint64_t>(op->vector->iov_base);
    sqe->len = static_cast<uint32_t>(op->total - op->done);
    return;
  }
  op->message = {};
  op->message.msg_iov = op->vector;
  op->message.msg_iovlen = op->vectorCount;
  sqe->opcode = send ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
  sqe->addr = reinterpret_cast<uint64_t>(&op->message);
  sqe->len = 1;
}

void Uring::fillCancel(io_uring_sqe* sqe, const Op& op) {
  const uint32_t target = ops_.find(static_cast<int32_t>(op.request.argument));
  if (target != kNone) ops_.at(target).cancelled = true;
  sqe->opcode = IORING_OP_ASYNC_CANCEL;
  // A slot that no operation has: the kernel answers -ENOENT, in its order.
  sqe->addr = target;
}

// Task work waits to be run, or completions wait outside of the queue.
bool Uring::kernelHasNews() const {
  return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

// A poll of the watched descriptor is queued, or under way: the ring may sleep.
bool Uring::armWatch() {
  if (watchFired_) {
    watchFired_ = false;
    return false;
  }
  if (watching_) return true;
  if (makeRoom(1) != 0) return false;
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  *sqe = {};
  sqe->opcode = IORING_OP_POLL_ADD;
  sqe->fd = watched_;
  sqe->poll32_events = kPollIn;
  sqe->user_data = kWatch;
  watching_ = true;
  return true;
}

int Uring::enter(bool wait) {
  for (;;) {
    counters_.enters++;
    urgent_ = false;
    const int status = wait ? io_uring_submit_and_wait(&ring_, 1) : io_uring_submit_and_get_events(&ring_);
    if (status >= 0) return 0;
    if (status != -EINTR) return status;
  }
}

// `everything`: also what has no room in this turn; it is kept for the next.
void Uring::harvest(bool everything) {
  unsigned head;
  unsigned seen = 0;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (!everything && !hasRoom()) break;
    if (cqe->user_data == kWatch) {
      watching_ = false;
      watchFired_ = true;
    } else if (cqe->user_data != kOwn) {
      const uint32_t slot = static_cast<uint32_t>(cqe->user_data);
      Op& op = ops_.at(slot);
      if (op.sending) {
        sendEnded(slot, cqe->res);
      } else {
        finish(slot, wholeResult(op, cqe->res));
      }
    }
    seen++;
  }
  io_uring_cq_advance(&ring_, seen);
}

// Nothing may write into the arena after the ring has gone: cancel what can be, wait for what cannot.
bool Uring::drain() {
  draining_ = true;
  for (int round = 0; round < kDrainRounds; round++) {
    harvest(true);
    pauseSends();
    if (ops_.active() == 0) return true;
    io_uring_sqe* sqe = round % 10 == 0 ? io_uring_get_sqe(&ring_) : nullptr;
    if (sqe != nullptr) {
      *sqe = {};
      sqe->opcode = IORING_OP_ASYNC_CANCEL;
      sqe->fd = -1;
      sqe->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
      sqe->user_data = kOwn;
    }
    __kernel_timespec pause = {0, kDrainRoundMs * 1000000};
    io_uring_cqe* cqe = nullptr;
    (void)io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &pause, nullptr);
  }
  return false;
}

}  // namespace

std::unique_ptr<Ring> makeUring(const RingMemory& memory, int* status) {
  std::unique_ptr<Uring> ring(new Uring(memory));
  *status = ring->open();
  if (*status != 0) return nullptr;
  return ring;
}

}  // namespace snapring
