// A ring's files. Each entry holds a descriptor of its own (dup), so that closing a descriptor elsewhere can never make
// a request in flight land in whatever file got the same number next.
//
// An operation that is parked, or with a helper, holds a reference; an entry that was replaced lives until its last operation has ended, and so does
// one whose ring is gone.
#ifndef SNAPRING_FILE_TABLE_H
#define SNAPRING_FILE_TABLE_H

#include <atomic>
#include <cstdint>
#include <vector>

#include "layout.h"

namespace snapring {

// What an operation on a file or block device may have to wait for.
enum Wait : uint8_t {
  // Nothing but memory: tmpfs. Or it is neither.
  kNoWait,
  // The disk, where it is not in the page cache; a read can be told not to wait for it (RWF_NOWAIT).
  kWaitsForCache,
  // A server (NFS, FUSE), or whatever cannot be told not to wait.
  kWaitsAlways,
};

struct Job;
struct File;

// The operations of a file that wait for a helper, and how many have one (helpers.cc, under its lock).
struct Lane {
  Job* first = nullptr;
  Job* last = nullptr;
  File* next = nullptr;
  uint32_t running = 0;
};

struct File {
  int fd = -1;
  FileKind kind = kAsync;
  Wait wait = kNoWait;
  bool block = false;
  std::atomic<uint32_t> references{1};
  // The poll ring's bookkeeping: operations that wait, and the last pass in which the direction was found blocked.
  uint32_t parkedIn = 0;
  uint32_t parkedOut = 0;
  uint64_t blockedIn = 0;
  uint64_t blockedOut = 0;
  Lane lane;
};

class FileTable {
 public:
  explicit FileTable(uint32_t size) : files_(size, nullptr) {}
  ~FileTable();
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(files_.size()); }
  File* get(uint32_t index) const { return index < files_.size() ? files_[index] : nullptr; }
  // 0 or -errno. fd -1 clears the entry.
  int set(uint32_t index, int fd, FileKind kind);
  static void hold(File* file) { file->references.fetch_add(1, std::memory_order_relaxed); }
  static void release(File* file);

 private:
  std::vector<File*> files_;
};

}  // namespace snapring

#endif
