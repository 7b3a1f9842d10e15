// Facts about an open file that node:fs does not tell, and locks. Knows nothing of N-API.
#ifndef SNAPRING_DEVICE_H
#define SNAPRING_DEVICE_H

#include <cstddef>
#include <cstdint>

namespace snapring {

enum DeviceKind : uint8_t { kRegularFile = 0, kBlockDevice = 1, kOtherFile = 2 };

struct DeviceFacts {
  DeviceKind kind;
  bool readOnly;
  uint64_t size;
  // What the device addresses; 512 for a regular file.
  uint32_t logicalBlock;
  // 0: the kernel does not say, or there is no direct I/O here (then directKnown is true).
  uint32_t directMemory;
  uint32_t directOffset;
  bool directKnown;
  uint64_t filesystem;
  uint64_t device;
  uint64_t inode;
  // The device that a device node stands for; 0 for a file.
  uint64_t represents;
  // When the file was made, in nanoseconds since 1970; 0: the file system does not say.
  uint64_t born;
};

// 0 or -errno.
int deviceFacts(int fd, DeviceFacts* facts);
// 0 or -errno; -EAGAIN: held by another, and `*holder` is its process where the kernel names it, else 0.
// The lock belongs to the open file description: it goes with the last descriptor of it.
int lockFile(int fd, bool exclusive, int32_t* holder);
int unlockFile(int fd);
// An extended attribute of an open file: its length (0 or more), or -errno; -ENODATA: it has none.
int readAttribute(int fd, const char* name, char* value, size_t room);
// 0 or -errno. Of no length: the attribute is taken away.
int writeAttribute(int fd, const char* name, const char* value, size_t length);
// Gives a file its size and reserves the space for it. 0 or -errno.
int reserveFile(int fd, uint64_t bytes);
// An empty file's data is overwritten in place from now on, where its file system would copy it (btrfs). 0 or -errno.
int forbidCopyOnWrite(int fd);

}  // namespace snapring

#endif
