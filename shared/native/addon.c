/*
 * The few kernel requests that Node has no API for, as native.ts declares them. Each function is one whole operation; those
 * that may wait for the kernel are jobs, and return promises.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/nsfs.h>
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <node_api.h>

#include "job.h"
#include "netns.h"
#include "script.h"
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

/* A copy of a text, or NULL for null. */
static bool read_optional_text(napi_env env, napi_value argument, const char **text) {
  napi_valuetype type;
  size_t length;
  if (napi_typeof(env, argument, &type) != napi_ok || type == napi_null) return type == napi_null;
  if (napi_get_value_string_utf8(env, argument, NULL, 0, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "want a string or null");
    return false;
  }
  char *copy = malloc(length + 1);
  if (copy == NULL) abort(); /* as Node itself does without memory */
  *text = copy;
  return read_text(env, argument, copy, length + 1);
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

/* ---- what waits for the kernel ---- */

struct netns_job {
  struct job job;
  int fd;
};

static struct failure run_new_netns(struct job *job) { return new_netns(&((struct netns_job *)job)->fd); }

static napi_value netns_result(napi_env env, struct job *job) { return integer(env, ((struct netns_job *)job)->fd); }

/* newNetns() -> descriptor */
static napi_value js_new_netns(napi_env env, napi_callback_info info) {
  (void)info;
  struct netns_job *netns = calloc(1, sizeof *netns);
  if (netns == NULL) abort(); /* as Node itself does without memory */
  netns->job.run = run_new_netns;
  netns->job.result = netns_result;
  return start_job(env, &netns->job);
}

struct script_job {
  struct job job;
  struct script script;
};

static struct failure run_script_job(struct job *job) { return run_script(&((struct script_job *)job)->script); }

static napi_value part_result(napi_env env, const struct part *part) {
  napi_value result;
  if (!part->ran) napi_get_null(env, &result);
  else if (part->failure.request != NULL) result = failure_to_error(env, part->failure);
  else napi_create_buffer_copy(env, part->answers.length, part->answers.data, NULL, &result);
  return result;
}

static napi_value script_result(napi_env env, struct job *job) {
  const struct script *script = &((struct script_job *)job)->script;
  napi_value result = integers(env, (int[]){script->socket, script->tap, script->done_tap}, 3);
  for (int i = 0; i < script->count; i++)
    napi_set_element(env, result, 3 + (uint32_t)i, part_result(env, &script->parts[i]));
  return result;
}

static void dispose_script(struct job *job) {
  struct script *script = &((struct script_job *)job)->script;
  for (int i = 0; i < script->count; i++) {
    struct part *part = &script->parts[i];
    free(part->requests.data);
    free(part->answers.data);
    free((char *)part->tap.label);
    free((char *)part->tap.helper);
  }
}

static bool read_field(napi_env env, napi_value array, uint32_t index, napi_value *value) {
  return napi_get_element(env, array, index, value) == napi_ok;
}

static bool read_requests(napi_env env, napi_value part, struct bytes *requests) {
  napi_value value;
  void *data;
  size_t length;
  if (!read_field(env, part, 1, &value) || !read_bytes(env, value, &data, &length)) return false;
  *requests = (struct bytes){malloc(length), length};
  if (requests->data == NULL) abort();
  memcpy(requests->data, data, length);
  return true;
}

/* [kind, ifname, ifindex, multiQueue, owner, group, label, helper] */
static bool read_tap(napi_env env, napi_value part, struct tap *tap) {
  napi_value field[8];
  long ifindex;
  for (uint32_t i = 1; i < 8; i++)
    if (!read_field(env, part, i, &field[i])) return false;
  if (!read_text(env, field[1], tap->ifname, sizeof tap->ifname) || !read_number(env, field[2], &ifindex) ||
      napi_get_value_bool(env, field[3], &tap->multi_queue) != napi_ok || !read_number(env, field[4], &tap->owner) ||
      !read_number(env, field[5], &tap->group) || !read_optional_text(env, field[6], &tap->label) ||
      !read_optional_text(env, field[7], &tap->helper))
    return false;
  tap->ifindex = (int)ifindex;
  return true;
}

static bool read_part(napi_env env, napi_value value, struct part *part) {
  napi_value kind;
  long number;
  if (!read_field(env, value, 0, &kind) || !read_number(env, kind, &number)) return false;
  part->kind = (unsigned)number;
  if (part->kind == PART_CREATE_TAP) return read_tap(env, value, &part->tap);
  return part->kind == PART_PERSIST_TAP || read_requests(env, value, &part->requests);
}

/* run(netns, socket, tap, goesOn, parts) -> [socket, tap, doneTap, …what became of each part] */
static napi_value js_run(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns, socket, tap;
  bool goes_on;
  uint32_t count;
  if (!read_arguments(env, info, 5, arguments) || !read_number(env, arguments[0], &netns) ||
      !read_number(env, arguments[1], &socket) || !read_number(env, arguments[2], &tap) ||
      napi_get_value_bool(env, arguments[3], &goes_on) != napi_ok ||
      napi_get_array_length(env, arguments[4], &count) != napi_ok)
    return NULL;
  struct script_job *script = calloc(1, sizeof *script + count * sizeof(struct part));
  if (script == NULL) abort();
  script->job = (struct job){.run = run_script_job, .result = script_result, .dispose = dispose_script};
  script->script = (struct script){.netns = (int)netns, .socket = (int)socket, .tap = (int)tap, .done_tap = -1, .goes_on = goes_on, .count = (int)count};
  for (uint32_t i = 0; i < count; i++) {
    napi_value part;
    if (read_field(env, arguments[4], i, &part) && read_part(env, part, &script->script.parts[i])) continue;
    dispose_script(&script->job);
    free(script);
    return NULL;
  }
  return start_job(env, &script->job);
}

/* ---- what never waits ---- */

/* isNetns(fd) -> whether the descriptor is a network namespace. */
static napi_value js_is_netns(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd;
  if (!read_arguments(env, info, 1, arguments) || !read_number(env, arguments[0], &fd)) return NULL;
  return boolean(env, ioctl((int)fd, NS_GET_NSTYPE) == CLONE_NEWNET);
}

/* isSameFile(fd, other) */
static napi_value js_is_same_file(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long fd[2];
  struct stat file[2];
  if (!read_arguments(env, info, 2, arguments)) return NULL;
  for (int i = 0; i < 2; i++) {
    if (!read_number(env, arguments[i], &fd[i])) return NULL;
    if (fstat((int)fd[i], &file[i]) < 0) return throw_failure(env, (struct failure){"fstat", errno});
  }
  return boolean(env, file[0].st_dev == file[1].st_dev && file[0].st_ino == file[1].st_ino);
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
  /* Otherwise each thread of the pool gets an arena of its own, for the few hundred bytes that one answer takes. */
  mallopt(M_ARENA_MAX, 2);
  /* glibc's first value, and from here on fixed. It would grow to the largest block that was ever freed, and blocks below it leave holes. */
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"newNetns", js_new_netns},
      {"run", js_run},
      {"isNetns", js_is_netns},
      {"isSameFile", js_is_same_file},
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
