#include "file_table.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace snapring {

namespace {

// The kernel knows what it is without asking the server of a file, who may not answer. Profiles of system calls that deny statx there are.
int isBlockDevice(int fd, bool* block) {
  struct statx known;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &known) == 0) {
    *block = S_ISBLK(known.stx_mode);
    return 0;
  }
  struct stat facts;
  if (fstat(fd, &facts) != 0) return -errno;
  *block = S_ISBLK(facts.st_mode);
  return 0;
}

// Asks nobody who may not answer. A file system that cannot read without waiting says so first, whatever else is wrong with the question (one
// byte of a direct file); of those, files of tmpfs are the ones that have seals. Where preadv2 is denied, so is every try to read the cache.
Wait waitOf(int fd) {
  char byte;
  const iovec vector = {&byte, 1};
  if (preadv2(fd, &vector, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP) return kWaitsForCache;
  return fcntl(fd, F_GET_SEALS) >= 0 ? kNoWait : kWaitsAlways;
}

}  // namespace

FileTable::~FileTable() {
  for (File* file : files_) {
    if (file != nullptr) release(file);
  }
}

int FileTable::set(uint32_t index, int fd, FileKind kind) {
  if (index >= files_.size()) return -EBADF;
  File* fresh = nullptr;
  if (fd >= 0) {
    bool block = false;
    const int status = isBlockDevice(fd, &block);
    if (status != 0) return status;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return -errno;
    // A read that may not block would end at once instead of waiting for the event.
    if (kind == kEvent) (void)fcntl(own, F_SETFL, fcntl(own, F_GETFL) & ~O_NONBLOCK);
    fresh = new File;
    fresh->fd = own;
    fresh->kind = kind;
    fresh->block = block;
    if (kind == kInline || kind == kAsync) fresh->wait = waitOf(own);
  }
  if (files_[index] != nullptr) release(files_[index]);
  files_[index] = fresh;
  return 0;
}

void FileTable::release(File* file) {
  if (file->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  close(file->fd);
  delete file;
}

}  // namespace snapring
