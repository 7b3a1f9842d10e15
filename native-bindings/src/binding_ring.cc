// Rings, as JavaScript sees them: an object of functions, each bound to its ring. This file checks arguments.
//
// The arrays must lie in shared memory: that cannot be detached or moved while the kernel writes into it. The handle holds
// them until the ring is closed; it closes with `close`, with its thread's environment, or when its functions were collected.
#include <memory>
#include <uv.h>

#include "arguments.h"
#include "ring.h"

namespace snapring {

namespace {

void closeAtExit(void* data);

struct RingHandle final : Handle {
  napi_env env = nullptr;
  std::unique_ptr<Ring> ring;
  napi_ref memory[3] = {};
  // The environment will call closeAtExit.
  bool hooked = false;

  // The ring first: the kernel may write into its memory until then.
  void end(napi_env own) override {
    ring.reset();
    if (hooked) (void)napi_remove_env_cleanup_hook(own, closeAtExit, this);
    hooked = false;
    for (napi_ref& reference : memory) dropReference(own, &reference);
  }
};

void closeAtExit(void* data) {
  RingHandle* handle = static_cast<RingHandle*>(data);
  handle->hooked = false;
  handle->end(handle->env);
}

Ring* toRing(napi_env env, void* data) {
  Ring* ring = static_cast<RingHandle*>(data)->ring.get();
  if (ring == nullptr) (void)napi_throw_error(env, nullptr, "the ring is closed");
  return ring;
}

napi_value turn(napi_env env, napi_callback_info info) {
  napi_value values[2];
  void* data;
  double count;
  bool wait;
  if (!toArguments(env, info, 2, values, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  if (!toInteger(env, values[0], "count: not within the capacity", 0, ring->memory().capacity, &count)) return nullptr;
  if (napi_get_value_bool(env, values[1], &wait) != napi_ok) {
    (void)napi_throw_type_error(env, nullptr, "wait: not a boolean");
    return nullptr;
  }
  return fromInt(env, ring->turn(static_cast<uint32_t>(count), wait));
}

napi_value setFile(napi_env env, napi_callback_info info) {
  napi_value values[3];
  void* data;
  double index;
  double kind;
  int fd;
  if (!toArguments(env, info, 3, values, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  if (!toInteger(env, values[0], "index: not within the file table", 0, ring->memory().files - 1.0, &index)) return nullptr;
  if (!toFd(env, values[1], -1, &fd)) return nullptr;
  if (!toInteger(env, values[2], "kind: not a FileKind", 0, kFileKindCount - 1, &kind)) return nullptr;
  return fromInt(env, ring->setFile(static_cast<uint32_t>(index), fd, static_cast<FileKind>(kind)));
}

napi_value copyBytes(napi_env env, napi_callback_info info) {
  napi_value values[3];
  void* data;
  double numbers[3];
  if (!toArguments(env, info, 3, values, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  for (int i = 0; i < 3; i++) {
    if (!toInteger(env, values[i], "copy: not an offset or length", 0, kSafeMax, &numbers[i])) return nullptr;
  }
  if (!ring->copy(static_cast<uint64_t>(numbers[0]), static_cast<uint64_t>(numbers[1]), static_cast<uint64_t>(numbers[2]))) {
    (void)napi_throw_range_error(env, nullptr, "copy: not inside the arena");
  }
  return nullptr;
}

napi_value zeroBytes(napi_env env, napi_callback_info info) {
  napi_value values[2];
  void* data;
  double numbers[2];
  if (!toArguments(env, info, 2, values, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  for (int i = 0; i < 2; i++) {
    if (!toInteger(env, values[i], "zero: not an offset or length", 0, kSafeMax, &numbers[i])) return nullptr;
  }
  if (!ring->zero(static_cast<uint64_t>(numbers[0]), static_cast<uint64_t>(numbers[1]))) {
    (void)napi_throw_range_error(env, nullptr, "zero: not inside the arena");
  }
  return nullptr;
}

// [enters, turns, submitted, completed, inline]
napi_value counters(napi_env env, napi_callback_info info) {
  void* data;
  if (!toArguments(env, info, 0, nullptr, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  const Counters& now = ring->counters();
  const uint64_t numbers[5] = {now.enters, now.turns, now.submitted, now.completed, now.inlined};
  napi_value result;
  CHECK_NAPI(env, napi_create_array_with_length(env, 5, &result));
  for (uint32_t i = 0; i < 5; i++) {
    napi_value number;
    CHECK_NAPI(env, napi_create_double(env, static_cast<double>(numbers[i]), &number));
    CHECK_NAPI(env, napi_set_element(env, result, i, number));
  }
  return result;
}

// From here on a sleep ends when the thread's event loop has something to do, too: its end, above all.
napi_value watchLoop(napi_env env, napi_callback_info info) {
  void* data;
  uv_loop_t* loop;
  if (!toArguments(env, info, 0, nullptr, &data)) return nullptr;
  Ring* ring = toRing(env, data);
  if (ring == nullptr) return nullptr;
  CHECK_NAPI(env, napi_get_uv_event_loop(env, &loop));
  ring->watch(uv_backend_fd(loop));
  return nullptr;
}

// close(): whether nothing is under way any more; of a ring that was closed before, undefined.
napi_value closeRing(napi_env env, napi_callback_info info) {
  void* data;
  if (!toArguments(env, info, 0, nullptr, &data)) return nullptr;
  RingHandle* handle = static_cast<RingHandle*>(data);
  if (handle->ring == nullptr) return nullptr;
  const bool quiet = handle->ring->drain();
  handle->end(env);
  napi_value result;
  CHECK_NAPI(env, napi_get_boolean(env, quiet, &result));
  return result;
}

bool toRingMemory(napi_env env, napi_value* values, RingMemory* memory) {
  void* arena;
  void* submissions;
  void* completions;
  size_t lengths[3];
  double numbers[4];
  if (!toSharedMemory(env, values[1], napi_uint8_array, "arena: not a Uint8Array in shared memory", &arena, &lengths[0])) return false;
  if (!toSharedMemory(env, values[2], napi_int32_array, "submissions: not an Int32Array in shared memory", &submissions, &lengths[1])) {
    return false;
  }
  if (!toSharedMemory(env, values[3], napi_int32_array, "completions: not an Int32Array in shared memory", &completions, &lengths[2])) {
    return false;
  }
  if (reinterpret_cast<uintptr_t>(arena) % kPageBytes != 0 || lengths[0] == 0 || lengths[0] > kArenaMax) {
    (void)napi_throw_type_error(env, nullptr, "arena: not page-aligned, or not of 1 byte to 4 GiB");
    return false;
  }
  if (!toInteger(env, values[4], "capacity: out of range", 1, kCapacityMax, &numbers[0])) return false;
  if (!toInteger(env, values[5], "files: out of range", 1, kFilesMax, &numbers[1])) return false;
  if (!toInteger(env, values[6], "registeredBytes: out of range", 0, static_cast<double>(lengths[0]), &numbers[2])) return false;
  if (!toInteger(env, values[7], "queueEntries: out of range", 0, kCapacityMax, &numbers[3])) return false;
  memory->arena = {static_cast<uint8_t*>(arena), lengths[0]};
  memory->submissions = static_cast<const int32_t*>(submissions);
  memory->completions = static_cast<int32_t*>(completions);
  memory->capacity = static_cast<uint32_t>(numbers[0]);
  memory->files = static_cast<uint32_t>(numbers[1]);
  memory->registeredBytes = static_cast<uint64_t>(numbers[2]);
  memory->queueEntries = static_cast<uint32_t>(numbers[3]);
  if (lengths[1] / kDescriptorWords >= memory->capacity && lengths[2] / kCompletionWords >= memory->capacity) return true;
  (void)napi_throw_type_error(env, nullptr, "submissions, completions: too short for the capacity");
  return false;
}

napi_value addFact(napi_env env, napi_value object, const char* name, double number) {
  napi_value value;
  CHECK_NAPI(env, napi_create_double(env, number, &value));
  CHECK_NAPI(env, napi_set_named_property(env, object, name, value));
  return value;
}

napi_value wrap(napi_env env, RingHandle* handle, napi_value* arrays) {
  napi_value object;
  CHECK_NAPI(env, napi_create_object(env, &object));
  const struct {
    const char* name;
    napi_callback call;
  } methods[] = {{"turn", turn},         {"setFile", setFile},   {"copy", copyBytes},     {"zero", zeroBytes},
                 {"counters", counters}, {"watchLoop", watchLoop}, {"close", closeRing}};
  for (const auto& method : methods) {
    if (addMethod(env, object, method.name, method.call, handle) == nullptr) return nullptr;
  }
  const RingFacts& facts = handle->ring->facts();
  if (addFact(env, object, "setupFlags", facts.setupFlags) == nullptr) return nullptr;
  if (addFact(env, object, "registeredBytes", static_cast<double>(facts.registeredBytes)) == nullptr) return nullptr;
  if (addFact(env, object, "registeredFiles", facts.registeredFiles ? 1 : 0) == nullptr) return nullptr;
  for (int i = 0; i < 3; i++) CHECK_NAPI(env, napi_create_reference(env, arrays[i], 1, &handle->memory[i]));
  CHECK_NAPI(env, napi_add_env_cleanup_hook(env, closeAtExit, handle));
  handle->hooked = true;
  return object;
}

}  // namespace

// createRing(uring, arena, submissions, completions, capacity, files, registeredBytes, queueEntries): the object, or -errno.
napi_value createRing(napi_env env, napi_callback_info info) {
  napi_value values[8];
  bool uring;
  RingMemory memory;
  if (!toArguments(env, info, 8, values, nullptr)) return nullptr;
  if (napi_get_value_bool(env, values[0], &uring) != napi_ok) {
    (void)napi_throw_type_error(env, nullptr, "uring: not a boolean");
    return nullptr;
  }
  if (!toRingMemory(env, values, &memory)) return nullptr;
  int status = 0;
  std::unique_ptr<Ring> ring = uring ? makeUring(memory, &status) : makePollRing(memory);
  if (ring == nullptr) return fromInt(env, status);
  RingHandle* handle = new RingHandle;
  handle->env = env;
  handle->ring = std::move(ring);
  napi_value object = wrap(env, handle, values + 1);
  // Some of its functions may exist: they find it ended.
  if (object == nullptr) handle->end(env);
  handle->release(env);
  return object;
}

}  // namespace snapring
