// The module: its constants, and the functions that need no ring. This file checks arguments and nothing else.
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <linux/falloc.h>
#include <unistd.h>

#include "arguments.h"
#include "device.h"
#include "event.h"
#include "layout.h"
#include "notify.h"
#include "pages.h"
#include "ring.h"

namespace snapring {

namespace {

napi_value addNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_value value;
  CHECK_NAPI(env, napi_create_double(env, number, &value));
  CHECK_NAPI(env, napi_set_named_property(env, object, name, value));
  return value;
}

napi_value addDecimal(napi_env env, napi_value object, const char* name, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, number);
  napi_value value;
  CHECK_NAPI(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value));
  CHECK_NAPI(env, napi_set_named_property(env, object, name, value));
  return value;
}

// probe(): 0, or the -errno with which io_uring is refused.
napi_value probe(napi_env env, napi_callback_info info) {
  if (!toArguments(env, info, 0, nullptr, nullptr)) return nullptr;
  return fromInt(env, probeUring());
}

napi_value eventCreate(napi_env env, napi_callback_info info) {
  if (!toArguments(env, info, 0, nullptr, nullptr)) return nullptr;
  const int fd = createEvent();
  napi_value result = fromInt(env, fd);
  if (result == nullptr && fd >= 0) closeEvent(fd);
  return result;
}

// A function of one descriptor that returns 0 or more, or -errno.
template <int (*call)(int)>
napi_value ofDescriptor(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!toArguments(env, info, 1, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  return fromInt(env, call(fd));
}

void closeAtExit(void* data) { closeEvent(static_cast<int>(reinterpret_cast<intptr_t>(data))); }

// ownEvent(fd): it is closed with the thread's environment, unless closeEvent has closed it before. 0 or -errno.
napi_value own(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!toArguments(env, info, 1, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (!isOpen(fd)) return fromInt(env, -EBADF);
  void* const data = reinterpret_cast<void*>(static_cast<intptr_t>(fd));
  // Said twice is said once.
  CHECK_NAPI(env, napi_remove_env_cleanup_hook(env, closeAtExit, data));
  CHECK_NAPI(env, napi_add_env_cleanup_hook(env, closeAtExit, data));
  return fromInt(env, 0);
}

// closeEvent(fd): 0 or -errno.
napi_value closeOwn(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!toArguments(env, info, 1, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  CHECK_NAPI(env, napi_remove_env_cleanup_hook(env, closeAtExit, reinterpret_cast<void*>(static_cast<intptr_t>(fd))));
  return fromInt(env, closeEvent(fd));
}

// [first, second]
napi_value fromPair(napi_env env, const int* pair) {
  napi_value result;
  CHECK_NAPI(env, napi_create_array_with_length(env, 2, &result));
  CHECK_NAPI(env, napi_set_element(env, result, 0, fromInt(env, pair[0])));
  CHECK_NAPI(env, napi_set_element(env, result, 1, fromInt(env, pair[1])));
  return result;
}

// lockFile(fd, exclusive): [status, holder]
napi_value lock(napi_env env, napi_callback_info info) {
  napi_value values[2];
  int fd;
  bool exclusive;
  if (!toArguments(env, info, 2, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (napi_get_value_bool(env, values[1], &exclusive) != napi_ok) {
    (void)napi_throw_type_error(env, nullptr, "exclusive: not a boolean");
    return nullptr;
  }
  int32_t holder;
  const int status = lockFile(fd, exclusive, &holder);
  const int answer[2] = {status, holder};
  return fromPair(env, answer);
}

// deviceFacts(fd): an object of numbers and decimal strings, or -errno.
napi_value facts(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!toArguments(env, info, 1, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  DeviceFacts now = {};
  const int status = deviceFacts(fd, &now);
  if (status != 0) return fromInt(env, status);
  napi_value object;
  CHECK_NAPI(env, napi_create_object(env, &object));
  const struct {
    const char* name;
    double number;
  } numbers[] = {
      {"kind", static_cast<double>(now.kind)},
      {"readOnly", now.readOnly ? 1.0 : 0.0},
      {"size", static_cast<double>(now.size)},
      {"logicalBlock", static_cast<double>(now.logicalBlock)},
      {"directKnown", now.directKnown ? 1.0 : 0.0},
      {"directMemory", static_cast<double>(now.directMemory)},
      {"directOffset", static_cast<double>(now.directOffset)},
      {"filesystem", static_cast<double>(now.filesystem)},
  };
  for (const auto& entry : numbers) {
    if (addNumber(env, object, entry.name, entry.number) == nullptr) return nullptr;
  }
  if (addDecimal(env, object, "device", now.device) == nullptr) return nullptr;
  if (addDecimal(env, object, "inode", now.inode) == nullptr) return nullptr;
  if (addDecimal(env, object, "represents", now.represents) == nullptr) return nullptr;
  if (addDecimal(env, object, "born", now.born) == nullptr) return nullptr;
  return object;
}

constexpr size_t kAttributeNameMax = 256;
constexpr size_t kAttributeMax = 4096;
constexpr size_t kNoticeMax = 4096;

// A text that fits; false: a TypeError is pending.
bool toText(napi_env env, napi_value value, const char* complaint, char* text, size_t room, size_t* length) {
  size_t whole;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &whole) == napi_ok && whole < room &&
      napi_get_value_string_utf8(env, value, text, room, length) == napi_ok) {
    return true;
  }
  (void)napi_throw_type_error(env, nullptr, complaint);
  return false;
}

// readAttribute(fd, name): its value as a string, or -errno.
napi_value attribute(napi_env env, napi_callback_info info) {
  napi_value values[2];
  int fd;
  char name[kAttributeNameMax];
  size_t length;
  if (!toArguments(env, info, 2, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (!toText(env, values[1], "name: not a short string", name, sizeof name, &length)) return nullptr;
  char value[kAttributeMax];
  const int status = readAttribute(fd, name, value, sizeof value);
  if (status < 0) return fromInt(env, status);
  napi_value text;
  CHECK_NAPI(env, napi_create_string_utf8(env, value, static_cast<size_t>(status), &text));
  return text;
}

// writeAttribute(fd, name, value): 0 or -errno; an empty value takes the attribute away.
napi_value setAttribute(napi_env env, napi_callback_info info) {
  napi_value values[3];
  int fd;
  char name[kAttributeNameMax];
  char value[kAttributeMax + 1];
  size_t length;
  if (!toArguments(env, info, 3, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (!toText(env, values[1], "name: not a short string", name, sizeof name, &length)) return nullptr;
  if (!toText(env, values[2], "value: not a string of 4096 bytes at most", value, sizeof value, &length)) return nullptr;
  return fromInt(env, writeAttribute(fd, name, value, length));
}

// reserveFile(fd, bytes): 0 or -errno.
napi_value reserve(napi_env env, napi_callback_info info) {
  napi_value values[2];
  int fd;
  double bytes;
  if (!toArguments(env, info, 2, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (!toInteger(env, values[1], "bytes: not a size", 1, kSafeMax, &bytes)) return nullptr;
  return fromInt(env, reserveFile(fd, static_cast<uint64_t>(bytes)));
}

// forbidCopyOnWrite(fd): 0 or -errno.
napi_value forbidCopies(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!toArguments(env, info, 1, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  return fromInt(env, forbidCopyOnWrite(fd));
}

// keepAlive(fd, idle, interval, probes), in seconds: 0 or -errno.
napi_value keepAliveOf(napi_env env, napi_callback_info info) {
  napi_value values[4];
  int fd;
  double numbers[3];
  if (!toArguments(env, info, 4, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  for (int i = 0; i < 3; i++) {
    if (!toInteger(env, values[i + 1], "not a number of seconds or probes", 1, 32767, &numbers[i])) return nullptr;
  }
  const auto number = [&numbers](int i) { return static_cast<int>(numbers[i]); };
  return fromInt(env, keepAlive(fd, number(0), number(1), number(2)));
}

// notifySocket(path, text): 0 or -errno.
napi_value notify(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char path[kSocketPathMax + 1];
  char text[kNoticeMax + 1];
  size_t pathLength;
  size_t length;
  if (!toArguments(env, info, 2, values, nullptr)) return nullptr;
  if (!toText(env, values[0], "path: not a string of 107 bytes at most", path, sizeof path, &pathLength)) return nullptr;
  if (!toText(env, values[1], "text: not a string of 4096 bytes at most", text, sizeof text, &length)) return nullptr;
  return fromInt(env, notifySocket(path, pathLength, text, length));
}

// socketPair(): [fd, fd], or -errno.
napi_value pair(napi_env env, napi_callback_info info) {
  if (!toArguments(env, info, 0, nullptr, nullptr)) return nullptr;
  int fds[2];
  const int status = socketPair(fds);
  if (status != 0) return fromInt(env, status);
  napi_value result = fromPair(env, fds);
  // Nobody would know them.
  if (result == nullptr) {
    (void)closeEvent(fds[0]);
    (void)closeEvent(fds[1]);
  }
  return result;
}

// endProcess(code): _exit, for a process that SIGKILL does not reach. It does not return.
napi_value endProcess(napi_env env, napi_callback_info info) {
  napi_value values[1];
  double code;
  if (!toArguments(env, info, 1, values, nullptr)) return nullptr;
  if (!toInteger(env, values[0], "code: not an exit code", 0, 255, &code)) return nullptr;
  _exit(static_cast<int>(code));
}

// The memory of a typed array.
bool toMemory(napi_env env, napi_value value, void** data) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) {
    (void)napi_throw_type_error(env, nullptr, "bytes: not a typed array");
    return false;
  }
  return napi_get_typedarray_info(env, value, nullptr, nullptr, data, nullptr, nullptr) == napi_ok;
}

// pageOffset(bytes): the address of a Uint8Array modulo the page size.
napi_value pageOffset(napi_env env, napi_callback_info info) {
  napi_value values[1];
  void* data = nullptr;
  if (!toArguments(env, info, 1, values, nullptr) || !toMemory(env, values[0], &data)) return nullptr;
  return fromInt(env, static_cast<int32_t>(reinterpret_cast<uintptr_t>(data) % kPageBytes));
}

// useHugePages(bytes, length): 0 or -errno. Memory that grows is advised as far as it may reach: it is only advice.
napi_value hugePages(napi_env env, napi_callback_info info) {
  napi_value values[2];
  void* data = nullptr;
  double length;
  if (!toArguments(env, info, 2, values, nullptr) || !toMemory(env, values[0], &data)) return nullptr;
  if (!toInteger(env, values[1], "length: not a size", 0, kSafeMax, &length)) return nullptr;
  if (data == nullptr) return fromInt(env, -EFAULT);
  return fromInt(env, useHugePages(data, static_cast<size_t>(length)));
}

// clearPages(bytes): 0 or -errno. The array, in shared memory, reads as zeroes afterwards, and its whole pages cost nothing.
napi_value clear(napi_env env, napi_callback_info info) {
  napi_value values[1];
  void* data = nullptr;
  size_t length;
  if (!toArguments(env, info, 1, values, nullptr)) return nullptr;
  if (!toSharedMemory(env, values[0], napi_uint8_array, "bytes: not a Uint8Array in shared memory", &data, &length)) {
    return nullptr;
  }
  return fromInt(env, length == 0 ? 0 : clearPages(data, length));
}

napi_value constants(napi_env env) {
  const struct {
    const char* name;
    uint32_t number;
  } entries[] = {
      {"DESCRIPTOR_WORDS", kDescriptorWords},
      {"COMPLETION_WORDS", kCompletionWords},
      {"IoOp.Nop", kNop},
      {"IoOp.Read", kRead},
      {"IoOp.Write", kWrite},
      {"IoOp.Sync", kSync},
      {"IoOp.Allocate", kAllocate},
      {"IoOp.Receive", kReceive},
      {"IoOp.Send", kSend},
      {"IoOp.SendVector", kSendVector},
      {"IoOp.EventRead", kEventRead},
      {"IoOp.Cancel", kCancel},
      {"IoOp.Timeout", kTimeout},
      {"IoOp.ReceiveVector", kReceiveVector},
      {"IoOp.ReadVector", kReadVector},
      {"IoOp.WriteVector", kWriteVector},
      {"IoFlag.Link", kFlagLink},
      {"IoFlag.AtOnce", kFlagAtOnce},
      {"IoArg.Dsync", kArgDsync},
      {"AllocateMode.KeepSize", FALLOC_FL_KEEP_SIZE},
      {"AllocateMode.PunchHole", FALLOC_FL_PUNCH_HOLE},
      {"AllocateMode.ZeroRange", FALLOC_FL_ZERO_RANGE},
      {"AllocateMode.Discard", kModeDiscard},
      {"FileKind.Async", kAsync},
      {"FileKind.Inline", kInline},
      {"FileKind.Socket", kSocket},
      {"FileKind.Event", kEvent},
  };
  napi_value object;
  CHECK_NAPI(env, napi_create_object(env, &object));
  for (const auto& entry : entries) {
    if (addNumber(env, object, entry.name, entry.number) == nullptr) return nullptr;
  }
  return object;
}

static_assert(kModeKeepSize == FALLOC_FL_KEEP_SIZE, "fallocate mode");
static_assert(kModePunchHole == FALLOC_FL_PUNCH_HOLE, "fallocate mode");
static_assert(kModeZeroRange == FALLOC_FL_ZERO_RANGE, "fallocate mode");

}  // namespace

napi_value initialise(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {
      {"probe", probe},
      {"createRing", createRing},
      {"createEvent", eventCreate},
      {"signalEvent", ofDescriptor<signalEvent>},
      {"ownEvent", own},
      {"closeEvent", closeOwn},
      {"watchEvent", watchEvent},
      {"lockFile", lock},
      {"unlockFile", ofDescriptor<unlockFile>},
      {"deviceFacts", facts},
      {"readAttribute", attribute},
      {"writeAttribute", setAttribute},
      {"reserveFile", reserve},
      {"forbidCopyOnWrite", forbidCopies},
      {"duplicateFile", ofDescriptor<duplicateFile>},
      {"keepAlive", keepAliveOf},
      {"shutdownSocket", ofDescriptor<shutdownSocket>},
      {"notifySocket", notify},
      {"socketPair", pair},
      {"endProcess", endProcess},
      {"pageOffset", pageOffset},
      {"useHugePages", hugePages},
      {"clearPages", clear},
  };
  for (const auto& entry : functions) {
    napi_value function;
    CHECK_NAPI(env, napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, nullptr, &function));
    CHECK_NAPI(env, napi_set_named_property(env, exports, entry.name, function));
  }
  napi_value numbers = constants(env);
  if (numbers == nullptr) return nullptr;
  CHECK_NAPI(env, napi_set_named_property(env, exports, "constants", numbers));
  return exports;
}

}  // namespace snapring

NAPI_MODULE_INIT() { return snapring::initialise(env, exports); }
