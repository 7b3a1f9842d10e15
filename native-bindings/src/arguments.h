// What the binding*.cc files share: the one macro that checks a status, the checks of arguments, and handles.
//
// Wrong arguments throw a TypeError. Failed system calls are never thrown: they are returned as -errno.
#ifndef SNAPRING_ARGUMENTS_H
#define SNAPRING_ARGUMENTS_H

#include <cstdint>
#include <node_api.h>

namespace snapring {

// For functions that return a napi_value: on a failed call, leave with a pending exception.
#define CHECK_NAPI(env, call)                                                     \
  do {                                                                            \
    if ((call) != napi_ok) {                                                      \
      bool pending_ = false;                                                      \
      (void)napi_is_exception_pending((env), &pending_);                          \
      if (!pending_) (void)napi_throw_error((env), nullptr, "snapring: " #call);  \
      return nullptr;                                                             \
    }                                                                             \
  } while (0)

constexpr double kSafeMax = 9007199254740991.0;

// The named argument as an integer in [min, max]; false: a TypeError is pending.
inline bool toInteger(napi_env env, napi_value value, const char* complaint, double min, double max, double* out) {
  double number;
  if (napi_get_value_double(env, value, &number) == napi_ok && number >= min && number <= max &&
      number == static_cast<double>(static_cast<int64_t>(number))) {
    *out = number;
    return true;
  }
  (void)napi_throw_type_error(env, nullptr, complaint);
  return false;
}

inline bool toFd(napi_env env, napi_value value, double min, int* out) {
  double number;
  if (!toInteger(env, value, "fd: not a descriptor", min, INT32_MAX, &number)) return false;
  *out = static_cast<int>(number);
  return true;
}

// Exactly `count` arguments; false: a TypeError is pending.
inline bool toArguments(napi_env env, napi_callback_info info, size_t count, napi_value* values, void** data) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, nullptr, data) == napi_ok && given == count) return true;
  (void)napi_throw_type_error(env, nullptr, "wrong number of arguments");
  return false;
}

// The memory of a typed array over a SharedArrayBuffer; false: a TypeError is pending.
inline bool toSharedMemory(napi_env env, napi_value value, napi_typedarray_type wanted, const char* complaint, void** data,
                           size_t* length) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) == napi_ok && typed) {
    napi_typedarray_type type;
    napi_value buffer;
    bool movable = true;
    const napi_status status = napi_get_typedarray_info(env, value, &type, length, data, &buffer, nullptr);
    if (status == napi_ok && type == wanted && napi_is_arraybuffer(env, buffer, &movable) == napi_ok && !movable) return true;
  }
  (void)napi_throw_type_error(env, nullptr, complaint);
  return false;
}

inline napi_value fromInt(napi_env env, int32_t value) {
  napi_value result;
  CHECK_NAPI(env, napi_create_int32(env, value, &result));
  return result;
}

// An object behind JavaScript functions: it goes when the last of them was collected.
//
//   open ──close(), or the environment's end──▶ ended ──the last function collected──▶ deleted
//     └──────────── the last function collected ─▶ ended ─▶ deleted
//
// Whoever deletes it ends it first: no hook of the environment is left that knows it, and no reference that holds memory for it.
class Handle {
 public:
  virtual ~Handle() = default;
  void hold() { references_++; }
  void release(napi_env env) {
    if (--references_ != 0) return;
    end(env);
    delete this;
  }
  // Give everything back that it holds. A second call does nothing.
  virtual void end(napi_env env) = 0;

 private:
  uint32_t references_ = 1;
};

// Give a reference back, if there is one.
inline void dropReference(napi_env env, napi_ref* reference) {
  if (*reference != nullptr) (void)napi_delete_reference(env, *reference);
  *reference = nullptr;
}

// Add a function named `name` to `object` whose data is `handle`.
inline napi_value addMethod(napi_env env, napi_value object, const char* name, napi_callback call, Handle* handle) {
  napi_value method;
  CHECK_NAPI(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, call, handle, &method));
  const napi_finalize drop = [](napi_env own, void* data, void*) { static_cast<Handle*>(data)->release(own); };
  CHECK_NAPI(env, napi_add_finalizer(env, method, handle, drop, nullptr, nullptr));
  handle->hold();
  CHECK_NAPI(env, napi_set_named_property(env, object, name, method));
  return method;
}

napi_value createRing(napi_env env, napi_callback_info info);
napi_value watchEvent(napi_env env, napi_callback_info info);

}  // namespace snapring

#endif
