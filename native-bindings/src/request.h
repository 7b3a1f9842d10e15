// A descriptor, decoded, checked, and given the memory that it needs until it completes.
//
//   descriptor words ──decodeRequest──▶ Request ──prepareOp──▶ Op (iovec in the arena, checked entry by entry)
//
// The words and the vectors lie in memory that other threads can write: each word is loaded once, and only the loaded
// value is checked and used.
#ifndef SNAPRING_REQUEST_H
#define SNAPRING_REQUEST_H

#include <cstdint>
#include <linux/time_types.h>
#include <memory>
#include <sys/socket.h>
#include <sys/uio.h>
#include <vector>

#include "file_table.h"
#include "layout.h"

namespace snapring {

struct Request {
  uint32_t word0;
  uint8_t op;
  bool link;
  // Done inside the turn, where it is an operation of a file.
  bool atOnce;
  uint32_t file;
  int32_t user;
  uint32_t offset;
  uint32_t length;
  uint64_t position;
  uint32_t argument;
  uint64_t length2;
};

constexpr uint32_t kNone = 0xffffffff;

struct Op {
  Request request;
  bool active = false;
  // A vector that was made for an earlier operation in this slot stays here for the next.
  std::unique_ptr<iovec[]> room;
  uint32_t roomCount = 0;
  iovec single;
  iovec* vector = nullptr;
  uint32_t vectorCount = 0;
  uint64_t total = 0;
  msghdr message;
  __kernel_timespec timeout;
  // A send of the io_uring ring, under way in the kernel: the file is held.
  bool sending = false;
  // It is to be cancelled: what is left of it is not sent on.
  bool cancelled = false;
  // It waits for so long before it is tried again; 0: it does not.
  uint32_t pauseMs = 0;
  // Bytes moved so far; the poll ring's: deadline, the file while parked, and the linked operation behind this one.
  uint64_t done = 0;
  uint64_t deadline = 0;
  File* file = nullptr;
  uint32_t next = kNone;
  // The poll ring's, while a helper has it.
  struct Job* job = nullptr;
};

struct Arena {
  uint8_t* base;
  uint64_t bytes;
};

// False: unknown operation or flag. `request->user`, `link` and `word0` are filled all the same.
bool decodeRequest(const int32_t* words, Request* request);
// 0, or -EINVAL, -EBADF, -EFAULT: the descriptor must not be started.
int prepareOp(Op* op, const FileTable& files, const Arena& arena);
// True: the operation did everything it was asked for, so that a linked one may start.
bool isWhole(const Op& op, int32_t result);

// Operations in flight, by slot. A slot's address is stable.
class OpTable {
 public:
  uint32_t take();
  void give(uint32_t slot);
  Op& at(uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  uint32_t active() const { return active_; }
  // All of them, in flight or not.
  uint32_t slots() const { return static_cast<uint32_t>(chunks_.size()) * kChunk; }
  // An operation in flight with this user word that can be cancelled; kNone: there is none.
  uint32_t find(int32_t user);

 private:
  static constexpr uint32_t kChunk = 256;
  std::vector<std::unique_ptr<Op[]>> chunks_;
  std::vector<uint32_t> free_;
  uint32_t active_ = 0;
};

}  // namespace snapring

#endif
