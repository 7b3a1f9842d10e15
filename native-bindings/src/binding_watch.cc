// An eventfd on the thread's own event loop (uv_poll): how a worker wakes main.
//
//   worker                       main's event loop
//   ring entry, signal ────────▶ readable ─▶ drained here ─▶ the callback, once for any number of signals
//
// The watch must be closed before its descriptor is; it closes by itself with the thread's environment.
#include <uv.h>

#include "arguments.h"
#include "event.h"

namespace snapring {

namespace {

void closeWatch(struct Watch* watch);

struct Watch final : Handle {
  uv_poll_t poll = {};
  int fd = -1;
  bool closing = false;
  napi_env env = nullptr;
  napi_ref callback = nullptr;
  napi_ref resource = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;

  void end(napi_env) override { closeWatch(this); }
};

napi_value deliver(Watch* watch) {
  napi_env env = watch->env;
  napi_value callback;
  napi_value receiver;
  CHECK_NAPI(env, napi_get_reference_value(env, watch->callback, &callback));
  CHECK_NAPI(env, napi_get_reference_value(env, watch->resource, &receiver));
  const napi_status status = napi_make_callback(env, watch->context, receiver, callback, 0, nullptr, nullptr);
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) (void)napi_fatal_exception(env, error);
    return nullptr;
  }
  CHECK_NAPI(env, status);
  return receiver;
}

void onReadable(uv_poll_t* poll, int status, int events) {
  Watch* watch = static_cast<Watch*>(poll->data);
  if (watch->closing) return;
  if (status == 0 && (events & UV_READABLE) != 0) (void)drainEvent(watch->fd);
  napi_handle_scope scope;
  if (napi_open_handle_scope(watch->env, &scope) != napi_ok) return;
  // A callback that closes its own watch must not pull it away from under us.
  watch->hold();
  (void)deliver(watch);
  (void)napi_close_handle_scope(watch->env, scope);
  watch->release(watch->env);
}

void onClosed(uv_handle_t* handle) {
  Watch* watch = static_cast<Watch*>(handle->data);
  if (watch->hook != nullptr) (void)napi_remove_async_cleanup_hook(watch->hook);
  watch->release(watch->env);
}

// No callback comes any more; the loop lets go of it in its next turn.
void closeWatch(Watch* watch) {
  if (watch->closing) return;
  watch->closing = true;
  (void)uv_poll_stop(&watch->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), onClosed);
  if (watch->context != nullptr) (void)napi_async_destroy(watch->env, watch->context);
  watch->context = nullptr;
  dropReference(watch->env, &watch->callback);
  dropReference(watch->env, &watch->resource);
}

void closeAtExit(napi_async_cleanup_hook_handle, void* data) { closeWatch(static_cast<Watch*>(data)); }

Watch* toWatch(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  if (!toArguments(env, info, 0, nullptr, &data)) return nullptr;
  return static_cast<Watch*>(data);
}

napi_value ref(napi_env env, napi_callback_info info) {
  Watch* watch = toWatch(env, info);
  if (watch != nullptr && !watch->closing) uv_ref(reinterpret_cast<uv_handle_t*>(&watch->poll));
  return nullptr;
}

napi_value unref(napi_env env, napi_callback_info info) {
  Watch* watch = toWatch(env, info);
  if (watch != nullptr && !watch->closing) uv_unref(reinterpret_cast<uv_handle_t*>(&watch->poll));
  return nullptr;
}

napi_value close(napi_env env, napi_callback_info info) {
  Watch* watch = toWatch(env, info);
  if (watch != nullptr) closeWatch(watch);
  return nullptr;
}

napi_value prepare(napi_env env, Watch* watch, napi_value callback) {
  napi_value object;
  napi_value name;
  CHECK_NAPI(env, napi_add_async_cleanup_hook(env, closeAtExit, watch, &watch->hook));
  CHECK_NAPI(env, napi_create_object(env, &object));
  if (addMethod(env, object, "ref", ref, watch) == nullptr) return nullptr;
  if (addMethod(env, object, "unref", unref, watch) == nullptr) return nullptr;
  if (addMethod(env, object, "close", close, watch) == nullptr) return nullptr;
  CHECK_NAPI(env, napi_create_string_utf8(env, "snapring:event", NAPI_AUTO_LENGTH, &name));
  CHECK_NAPI(env, napi_async_init(env, object, name, &watch->context));
  CHECK_NAPI(env, napi_create_reference(env, callback, 1, &watch->callback));
  CHECK_NAPI(env, napi_create_reference(env, object, 1, &watch->resource));
  return object;
}

}  // namespace

// watchEvent(fd, callback): { ref, unref, close }, or -errno.
napi_value watchEvent(napi_env env, napi_callback_info info) {
  napi_value values[2];
  int fd;
  napi_valuetype type;
  if (!toArguments(env, info, 2, values, nullptr) || !toFd(env, values[0], 0, &fd)) return nullptr;
  if (napi_typeof(env, values[1], &type) != napi_ok || type != napi_function) {
    (void)napi_throw_type_error(env, nullptr, "callback: not a function");
    return nullptr;
  }
  uv_loop_t* loop;
  CHECK_NAPI(env, napi_get_uv_event_loop(env, &loop));
  Watch* watch = new Watch;
  watch->fd = fd;
  watch->env = env;
  watch->closing = true;
  const int status = uv_poll_init(loop, &watch->poll, fd);
  if (status != 0) {
    watch->release(env);
    return fromInt(env, status);
  }
  // From here on the loop holds the watch, until onClosed.
  watch->poll.data = watch;
  watch->closing = false;
  napi_value object = prepare(env, watch, values[1]);
  const int started = object == nullptr ? 0 : uv_poll_start(&watch->poll, UV_READABLE, onReadable);
  if (object != nullptr && started == 0) return object;
  closeWatch(watch);
  return object == nullptr ? nullptr : fromInt(env, started);
}

}  // namespace snapring
