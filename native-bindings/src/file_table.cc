#include "file_table.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapring {

FileTable::~FileTable() {
  for (File* file : files_) {
    if (file != nullptr) release(file);
  }
}

int FileTable::set(uint32_t index, int fd, FileKind kind) {
  if (index >= files_.size()) return -EBADF;
  File* fresh = nullptr;
  if (fd >= 0) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) return -errno;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return -errno;
    // A read that may not block would end at once instead of waiting for the event.
    if (kind == kEvent) (void)fcntl(own, F_SETFL, fcntl(own, F_GETFL) & ~O_NONBLOCK);
    fresh = new File;
    fresh->fd = own;
    fresh->kind = kind;
    fresh->block = S_ISBLK(facts.st_mode);
  }
  if (files_[index] != nullptr) release(files_[index]);
  files_[index] = fresh;
  return 0;
}

void FileTable::release(File* file) {
  if (--file->references != 0) return;
  close(file->fd);
  delete file;
}

}  // namespace snapring
