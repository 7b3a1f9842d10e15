#include "device.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapring {

namespace {

// struct statx is 256 bytes, and fields were added at its end: laid out by hand, so that older headers serve as well.
//
//   0x00 mask   …   0x50 seconds, 0x58 nanoseconds of birth   …   0x98 direct I/O alignment of memory   0x9c of the position
constexpr unsigned kStatxBirth = 0x800;
constexpr unsigned kStatxDirect = 0x2000;
constexpr size_t kStatxBirthSecondsAt = 0x50;
constexpr size_t kStatxBirthNanosAt = 0x58;
constexpr size_t kStatxMemoryAt = 0x98;
constexpr size_t kStatxOffsetAt = 0x9c;

void birthFacts(const uint8_t* raw, DeviceFacts* facts) {
  int64_t seconds;
  uint32_t nanos;
  memcpy(&seconds, raw + kStatxBirthSecondsAt, sizeof seconds);
  memcpy(&nanos, raw + kStatxBirthNanosAt, sizeof nanos);
  if (seconds > 0) facts->born = static_cast<uint64_t>(seconds) * 1000000000u + nanos;
}

void statxFacts(int fd, DeviceFacts* facts) {
  alignas(8) uint8_t raw[256] = {};
  facts->directKnown = false;
  facts->directMemory = 0;
  facts->directOffset = 0;
  facts->born = 0;
#ifdef SYS_statx
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, kStatxDirect | kStatxBirth, raw) != 0) return;
  uint32_t mask;
  memcpy(&mask, raw, sizeof mask);
  if ((mask & kStatxBirth) != 0) birthFacts(raw, facts);
  if ((mask & kStatxDirect) == 0) return;
  facts->directKnown = true;
  memcpy(&facts->directMemory, raw + kStatxMemoryAt, sizeof(uint32_t));
  memcpy(&facts->directOffset, raw + kStatxOffsetAt, sizeof(uint32_t));
#endif
}

int blockFacts(int fd, DeviceFacts* facts) {
  int logical = 0;
  int readOnly = 0;
  if (ioctl(fd, BLKGETSIZE64, &facts->size) != 0) return -errno;
  if (ioctl(fd, BLKSSZGET, &logical) != 0) return -errno;
  if (ioctl(fd, BLKROGET, &readOnly) != 0) return -errno;
  facts->logicalBlock = static_cast<uint32_t>(logical);
  facts->readOnly = readOnly != 0;
  return 0;
}

// "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; who waits for a lock has "->" behind the number.
int32_t findHolder(const struct stat& file) {
  FILE* locks = fopen("/proc/locks", "re");
  if (locks == nullptr) return 0;
  int32_t holder = 0;
  char line[256];
  while (holder == 0 && fgets(line, sizeof line, locks) != nullptr) {
    int pid;
    unsigned major;
    unsigned minor;
    uint64_t inode;
    if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%" SCNu64, &pid, &major, &minor, &inode) != 4) continue;
    if (major == major(file.st_dev) && minor == minor(file.st_dev) && inode == file.st_ino && pid > 0) holder = pid;
  }
  fclose(locks);
  return holder;
}

}  // namespace

int deviceFacts(int fd, DeviceFacts* facts) {
  struct stat file;
  struct statfs filesystem;
  if (fstat(fd, &file) != 0) return -errno;
  if (fstatfs(fd, &filesystem) != 0) return -errno;
  facts->filesystem = static_cast<uint32_t>(filesystem.f_type);
  facts->device = file.st_dev;
  facts->inode = file.st_ino;
  facts->represents = S_ISBLK(file.st_mode) || S_ISCHR(file.st_mode) ? file.st_rdev : 0;
  facts->size = static_cast<uint64_t>(file.st_size);
  facts->logicalBlock = 512;
  facts->readOnly = false;
  statxFacts(fd, facts);
  if (S_ISBLK(file.st_mode)) {
    facts->kind = kBlockDevice;
    return blockFacts(fd, facts);
  }
  facts->kind = S_ISREG(file.st_mode) ? kRegularFile : kOtherFile;
  return 0;
}

// flock, not an OFD lock: only for it does the kernel name the holder.
int lockFile(int fd, bool exclusive, int32_t* holder) {
  *holder = 0;
  int status;
  do {
    status = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  if (status == 0) return 0;
  const int error = errno;
  struct stat file;
  if (error == EWOULDBLOCK && fstat(fd, &file) == 0) *holder = findHolder(file);
  return -error;
}

int unlockFile(int fd) { return flock(fd, LOCK_UN) == 0 ? 0 : -errno; }

int readAttribute(int fd, const char* name, char* value, size_t room) {
  const ssize_t length = fgetxattr(fd, name, value, room);
  return length < 0 ? -errno : static_cast<int>(length);
}

int writeAttribute(int fd, const char* name, const char* value, size_t length) {
  const int status = length == 0 ? fremovexattr(fd, name) : fsetxattr(fd, name, value, length, 0);
  return status == 0 ? 0 : -errno;
}

int reserveFile(int fd, uint64_t bytes) {
  int status;
  do {
    status = fallocate(fd, 0, 0, static_cast<off_t>(bytes));
  } while (status != 0 && errno == EINTR);
  return status == 0 ? 0 : -errno;
}

int forbidCopyOnWrite(int fd) {
  // The kernel reads and writes an int, whatever the request's number says.
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -errno;
  flags |= FS_NOCOW_FL;
  if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) return -errno;
  // What a file system does not know it may pass over.
  flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -errno;
  return (flags & FS_NOCOW_FL) != 0 ? 0 : -EOPNOTSUPP;
}

}  // namespace snapring
