/*
 * Watches a descriptor in Node's event loop. Node offers that only in C, through libuv, whose
 * functions are part of its executable. The declarations here match libuv 1.19 and later; these
 * functions were made for use without libuv's headers.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "watch.h"

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
enum { UV_POLL = 8 };
enum { UV_READABLE = 1, UV_WRITABLE = 2, UV_DISCONNECT = 4 };
size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void *uv_handle_get_data(const uv_handle_t *handle);
int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
int uv_poll_start(uv_handle_t *handle, int events, void (*callback)(uv_handle_t *, int status, int events));
void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *));

struct watch {
  napi_env env;
  napi_ref callback;
};

static void on_ready(uv_handle_t *handle, int status, int events) {
  (void)status;
  (void)events;
  struct watch *watch = uv_handle_get_data(handle);
  napi_handle_scope scope;
  napi_value global, callback;
  napi_open_handle_scope(watch->env, &scope);
  napi_get_global(watch->env, &global);
  napi_get_reference_value(watch->env, watch->callback, &callback);
  napi_make_callback(watch->env, NULL, global, callback, 0, NULL, NULL);
  napi_close_handle_scope(watch->env, scope);
}

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = uv_handle_get_data(handle);
  napi_delete_reference(watch->env, watch->callback);
  free(watch);
  free(handle);
}

napi_value watch(napi_env env, napi_callback_info info) {
  napi_value arguments[3], result;
  size_t given = 3;
  int32_t fd;
  bool writable;
  uv_loop_t *loop;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok || given != 3 ||
      napi_get_value_int32(env, arguments[0], &fd) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &writable) != napi_ok || napi_get_uv_event_loop(env, &loop) != napi_ok) {
    napi_throw_type_error(env, NULL, "want (fd, writable, callback)");
    return NULL;
  }
  uv_handle_t *handle = malloc(uv_handle_size(UV_POLL));
  struct watch *watch = malloc(sizeof *watch);
  if (handle == NULL || watch == NULL || uv_poll_init(loop, handle, fd) < 0) {
    free(handle);
    free(watch);
    napi_throw_error(env, NULL, "Cannot watch the descriptor");
    return NULL;
  }
  watch->env = env;
  napi_create_reference(env, arguments[2], 1, &watch->callback);
  uv_handle_set_data(handle, watch);
  uv_poll_start(handle, (writable ? UV_WRITABLE : UV_READABLE) | UV_DISCONNECT, on_ready);
  napi_create_external(env, handle, NULL, NULL, &result);
  return result;
}

napi_value unwatch(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t given = 1;
  void *handle;
  if (napi_get_cb_info(env, info, &given, &argument, NULL, NULL) != napi_ok || given != 1 ||
      napi_get_value_external(env, argument, &handle) != napi_ok) {
    napi_throw_type_error(env, NULL, "want a watch");
    return NULL;
  }
  uv_close(handle, on_closed);
  return NULL;
}
