/*
 * The few kernel requests that Node has no API for, as native.ts declares them. Each function is one whole operation; those
 * that may wait for the kernel are jobs, and return promises.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include <node_api.h>

#include "job.h"
#include "netns.h"
#include "rtnetlink.h"
#include "tap.h"
#include "unix-socket.h"
#include "watch.h"

enum { MAX_ARGUMENTS = 8 };

/* Reads all arguments of a call; native.ts is typed, so a mismatch is a bug and throws a TypeError. */
static bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = MAX_ARGUMENTS;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) == napi_ok && given == count) return true;
  napi_throw_type_error(env, NULL, "wrong number of arguments");
  return false;
}

static bool read_number(napi_env env, napi_value argument, long *value) {
  int64_t number;
  if (napi_get_value_int64(env, argument, &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "want a number");
    return false;
  }
  *value = (long)number;
  return true;
}

static bool read_text(napi_env env, napi_value argument, char *text, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, argument, text, size, &length) == napi_ok) return true;
  napi_throw_type_error(env, NULL, "want a string");
  return false;
}

static bool read_bytes(napi_env env, napi_value argument, void **data, size_t *length) {
  if (napi_get_buffer_info(env, argument, data, length) == napi_ok) return true;
  napi_throw_type_error(env, NULL, "want a Buffer");
  return false;
}

static napi_value integer(napi_env env, int value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

static napi_value boolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

static napi_value integers(napi_env env, const int *values, size_t count) {
  napi_value result;
  napi_create_array_with_length(env, count, &result);
  for (size_t i = 0; i < count; i++) napi_set_element(env, result, (uint32_t)i, integer(env, values[i]));
  return result;
}

static napi_value throw_failure(napi_env env, struct failure failure) {
  napi_throw(env, failure_to_error(env, failure));
  return NULL;
}

/* ---- jobs that open something ---- */

struct open_job {
  struct job job;
  int netns;
  int socket;
  struct tap tap;
  int opened[2]; /* a descriptor, and a tap's ifindex */
};

static napi_value opened_result(napi_env env, struct job *job) { return integer(env, ((struct open_job *)job)->opened[0]); }
static napi_value tap_result(napi_env env, struct job *job) { return integers(env, ((struct open_job *)job)->opened, 2); }
static napi_value no_result(napi_env env, struct job *job) {
  (void)job;
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  return undefined;
}

static struct failure run_open_rtnetlink(struct job *job) {
  struct open_job *open = (struct open_job *)job;
  return open_rtnetlink(open->netns, open->opened);
}

static struct failure run_new_netns(struct job *job) { return new_netns(((struct open_job *)job)->opened); }

static struct failure run_create_tap(struct job *job) {
  struct open_job *open = (struct open_job *)job;
  return create_tap(open->netns, open->socket, &open->tap, &open->opened[0], &open->opened[1]);
}

static struct failure run_persist_tap(struct job *job) { return persist_tap(((struct open_job *)job)->opened[0]); }

static struct open_job *new_open_job(struct failure (*run)(struct job *), napi_value (*result)(napi_env, struct job *)) {
  struct open_job *open = calloc(1, sizeof *open);
  if (open == NULL) abort(); /* as Node itself does without memory */
  open->job.run = run;
  open->job.result = result;
  return open;
}

/* openRtnetlink(netns) -> descriptor. Errors come with the kernel's text, requests are checked strictly. */
static napi_value js_open_rtnetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &netns)) return NULL;
  struct open_job *open = new_open_job(run_open_rtnetlink, opened_result);
  open->netns = (int)netns;
  return start_job(env, &open->job);
}

/* newNetns() -> descriptor. */
static napi_value js_new_netns(napi_env env, napi_callback_info info) {
  (void)info;
  return start_job(env, &new_open_job(run_new_netns, opened_result)->job);
}

/* createTap(netns, socket, ifname, multiQueue, owner, group, label, helper) -> [descriptor, ifindex] */
static napi_value js_create_tap(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns, socket;
  struct tap tap = {0};
  if (!read_arguments(env, info, 8, arguments) || !read_number(env, arguments[0], &netns) ||
      !read_number(env, arguments[1], &socket) || !read_text(env, arguments[2], tap.ifname, sizeof tap.ifname) ||
      napi_get_value_bool(env, arguments[3], &tap.multi_queue) != napi_ok ||
      !read_number(env, arguments[4], &tap.owner) || !read_number(env, arguments[5], &tap.group) ||
      !read_text(env, arguments[6], tap.label, sizeof tap.label) ||
      !read_text(env, arguments[7], tap.helper, sizeof tap.helper))
    return NULL;
  struct open_job *open = new_open_job(run_create_tap, tap_result);
  open->netns = (int)netns;
  open->socket = (int)socket;
  open->tap = tap;
  return start_job(env, &open->job);
}

/* persistTap(tap): the tap outlives its descriptor, which is closed. */
static napi_value js_persist_tap(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long tap;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &tap)) return NULL;
  struct open_job *open = new_open_job(run_persist_tap, no_result);
  open->opened[0] = (int)tap;
  return start_job(env, &open->job);
}

/* ---- netlink jobs ---- */

struct netlink_job {
  struct job job;
  int socket;
  struct bytes answers;
  size_t length;
  uint8_t requests[];
};

static struct failure run_exchange(struct job *job) {
  struct netlink_job *netlink = (struct netlink_job *)job;
  return exchange(netlink->socket, netlink->requests, netlink->length, &netlink->answers);
}

static struct failure run_delete_link(struct job *job) {
  struct netlink_job *netlink = (struct netlink_job *)job;
  return delete_link(netlink->socket, netlink->requests, netlink->length, &netlink->answers);
}

static napi_value netlink_result(napi_env env, struct job *job) {
  struct netlink_job *netlink = (struct netlink_job *)job;
  napi_value result;
  napi_create_buffer_copy(env, netlink->answers.length, netlink->answers.data, NULL, &result);
  return result;
}

static void dispose_netlink(struct job *job) { free(((struct netlink_job *)job)->answers.data); }

static napi_value start_netlink_job(napi_env env, napi_callback_info info, struct failure (*run)(struct job *)) {
  napi_value arguments[MAX_ARGUMENTS];
  long socket;
  void *requests;
  size_t length;
  if (!read_arguments(env, info, 2, arguments) || !read_number(env, arguments[0], &socket) ||
      !read_bytes(env, arguments[1], &requests, &length))
    return NULL;
  struct netlink_job *netlink = calloc(1, sizeof *netlink + length);
  if (netlink == NULL) abort();
  netlink->job = (struct job){.run = run, .result = netlink_result, .dispose = dispose_netlink};
  netlink->socket = (int)socket;
  netlink->length = length;
  memcpy(netlink->requests, requests, length);
  return start_job(env, &netlink->job);
}

/* exchange(socket, requests) -> answers */
static napi_value js_exchange(napi_env env, napi_callback_info info) { return start_netlink_job(env, info, run_exchange); }

/* deleteLink(socket, request) -> the refusal, or nothing once the link is out of the netns */
static napi_value js_delete_link(napi_env env, napi_callback_info info) {
  return start_netlink_job(env, info, run_delete_link);
}

/* ---- what never waits ---- */

/* isNetns(fd) -> whether the descriptor is a network namespace. */
static napi_value js_is_netns(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  return boolean(env, ioctl((int)fd, NS_GET_NSTYPE) == CLONE_NEWNET);
}

/* tryLock(fd) -> whether we hold the exclusive lock now. It is the open file's, until its last descriptor is closed. */
static napi_value js_try_lock(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  bool held = flock((int)fd, LOCK_EX | LOCK_NB) == 0;
  if (!held && errno != EWOULDBLOCK && errno != EINTR) return throw_failure(env, (struct failure){"flock", errno});
  return boolean(env, held);
}

/* strerror(errno) -> the C library's text, which is what admins search for; libuv words some of them differently. */
static napi_value js_strerror(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS], result;
  long number;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &number)) return NULL;
  napi_create_string_utf8(env, strerror((int)number), NAPI_AUTO_LENGTH, &result);
  return result;
}

/* listen(path) -> descriptor */
static napi_value js_listen(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  char path[4096];
  int fd;
  if (!read_arguments(env, info, 1, arguments) || !read_text(env, arguments[0], path, sizeof path)) return NULL;
  struct failure failure = listen_at(path, &fd);
  return failure.request != NULL ? throw_failure(env, failure) : integer(env, fd);
}

/* accept(listener) -> [descriptor, uid], or null where no caller waits */
static napi_value js_accept(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS], null;
  long listener;
  int fd;
  uid_t uid = 0;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &listener)) return NULL;
  struct failure failure = accept_caller((int)listener, &fd, &uid);
  if (failure.request != NULL) return throw_failure(env, failure);
  napi_get_null(env, &null);
  return fd < 0 ? null : integers(env, (int[]){fd, (int)uid}, 2);
}

/* receive(fd, buffer, offset) -> [length, …descriptors]; length 0 at the end, -1 where nothing waits */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd, offset;
  void *data;
  size_t size, count;
  ssize_t length;
  int received[1 + MAX_PASSED];
  if (!read_arguments(env, info, 3, arguments) || !read_number(env, arguments[0], &fd) ||
      !read_bytes(env, arguments[1], &data, &size) || !read_number(env, arguments[2], &offset))
    return NULL;
  if (offset < 0 || (size_t)offset >= size) {
    napi_throw_range_error(env, NULL, "offset outside of the buffer");
    return NULL;
  }
  struct failure failure = receive_passed((int)fd, (char *)data + offset, size - (size_t)offset, &length, received + 1, &count);
  if (failure.request != NULL) return throw_failure(env, failure);
  received[0] = (int)length;
  return integers(env, received, 1 + count);
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"openRtnetlink", js_open_rtnetlink},
      {"newNetns", js_new_netns},
      {"createTap", js_create_tap},
      {"persistTap", js_persist_tap},
      {"exchange", js_exchange},
      {"deleteLink", js_delete_link},
      {"isNetns", js_is_netns},
      {"tryLock", js_try_lock},
      {"strerror", js_strerror},
      {"listen", js_listen},
      {"accept", js_accept},
      {"receive", js_receive},
      {"watch", watch},
      {"unwatch", unwatch},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
