#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "echo-request.h"
#include "job.h"
#include "jobs.h"
#include "netns.h"
#include "pod-socket.h"
#include "script.h"
#include "values.h"

struct netns_job {
  struct job job;
  int fd;
};

static struct failure run_new_netns(struct job *job) { return new_netns(&((struct netns_job *)job)->fd); }

static napi_value netns_result(napi_env env, struct job *job) { return integer(env, ((struct netns_job *)job)->fd); }

napi_value js_new_netns(napi_env env, napi_callback_info info) {
  (void)info;
  struct netns_job *netns = calloc(1, sizeof *netns);
  if (netns == NULL) abort(); /* as Node does when memory runs out */
  netns->job.run = run_new_netns;
  netns->job.result = netns_result;
  return start_job(env, &netns->job);
}

struct question_job {
  struct job job;
  struct question question;
  struct bytes addresses;
};

static struct failure run_question(struct job *job) {
  struct question_job *asked = (struct question_job *)job;
  return ask_routers(&asked->question, &asked->addresses);
}

static napi_value addresses_result(napi_env env, struct job *job) {
  const struct bytes *addresses = &((struct question_job *)job)->addresses;
  napi_value result;
  napi_create_buffer_copy(env, addresses->length, addresses->data, NULL, &result);
  return result;
}

static void dispose_question(struct job *job) { free(((struct question_job *)job)->addresses.data); }

napi_value js_ask_routers(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns, ifindex, most, milliseconds;
  void *source;
  size_t length;
  if (!read_arguments(env, info, 5, arguments) || !read_number(env, arguments[0], &netns) ||
      !read_number(env, arguments[1], &ifindex) || !read_bytes(env, arguments[2], &source, &length) ||
      !read_number(env, arguments[3], &most) || !read_number(env, arguments[4], &milliseconds))
    return NULL;
  struct question question = {.netns = (int)netns, .ifindex = (int)ifindex, .most = (int)most, .milliseconds = (int)milliseconds};
  if (length != sizeof question.source) {
    napi_throw_range_error(env, NULL, "want an address of 16 bytes");
    return NULL;
  }
  memcpy(&question.source, source, length);
  struct question_job *asked = calloc(1, sizeof *asked);
  if (asked == NULL) abort(); /* as Node does when memory runs out */
  asked->job = (struct job){.run = run_question, .result = addresses_result, .dispose = dispose_question};
  asked->question = question;
  return start_job(env, &asked->job);
}

struct hearing_job {
  struct job job;
  struct hearing hearing;
};

static struct failure run_hearing(struct job *job) { return hear(&((struct hearing_job *)job)->hearing); }

static napi_value said_result(napi_env env, struct job *job) {
  const struct hearing *hearing = &((struct hearing_job *)job)->hearing;
  napi_value result;
  if (hearing->ended) napi_create_buffer_copy(env, hearing->length, hearing->said, NULL, &result);
  else napi_get_null(env, &result);
  return result;
}

napi_value js_read_pod_socket(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns, milliseconds;
  void *name;
  size_t length;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!read_arguments(env, info, 3, arguments) || !read_number(env, arguments[0], &netns) ||
      !read_bytes(env, arguments[1], &name, &length) || !read_number(env, arguments[2], &milliseconds))
    return NULL;
  if (length > sizeof address.sun_path) {
    napi_throw_range_error(env, NULL, "the name is too long");
    return NULL;
  }
  memcpy(address.sun_path, name, length);
  struct hearing_job *heard = calloc(1, sizeof *heard);
  if (heard == NULL) abort(); /* as Node does when memory runs out */
  heard->job = (struct job){.run = run_hearing, .result = said_result};
  heard->hearing.netns = (int)netns;
  heard->hearing.address = address;
  heard->hearing.address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  heard->hearing.milliseconds = (int)milliseconds;
  return start_job(env, &heard->job);
}

struct script_job {
  struct job job;
  struct script script;
};

static struct failure run_script_job(struct job *job) { return run_script(&((struct script_job *)job)->script); }

/* Size in bytes from which an answer is handed over instead of copied. */
enum { MIN_HANDED_OVER = 16 * 1024 };

static void free_answers(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

/* Makes a Buffer of the answers. A long one takes them over, so that they are not there twice. */
static napi_value answers_result(napi_env env, struct bytes *answers) {
  napi_value result;
  if (answers->length < MIN_HANDED_OVER) {
    napi_create_buffer_copy(env, answers->length, answers->data, NULL, &result);
    return result;
  }
  uint8_t *data = realloc(answers->data, answers->length); /* gives back what was reserved */
  if (data == NULL) abort(); /* as Node does when memory runs out */
  napi_create_external_buffer(env, answers->length, data, free_answers, NULL, &result);
  *answers = (struct bytes){0};
  return result;
}

static napi_value part_result(napi_env env, struct part *part) {
  napi_value result;
  if (!part->ran) napi_get_undefined(env, &result);
  else if (part->failure.request != NULL) result = failure_to_error(env, part->failure);
  else if (part->answers.length == 0) napi_get_null(env, &result);
  else result = answers_result(env, &part->answers);
  return result;
}

static napi_value script_result(napi_env env, struct job *job) {
  struct script *script = &((struct script_job *)job)->script;
  napi_value result = integers(env, (int[]){script->socket, script->nftables, script->tap, script->done_tap}, 4);
  for (int i = 0; i < script->count; i++)
    napi_set_element(env, result, 4 + (uint32_t)i, part_result(env, &script->parts[i]));
  return result;
}

static void dispose_script(struct job *job) {
  struct script *script = &((struct script_job *)job)->script;
  for (int i = 0; i < script->count; i++) {
    struct part *part = &script->parts[i];
    free(part->requests.data);
    free(part->keeps.data);
    free(part->answers.data);
    free((char *)part->tap.label);
    free((char *)part->tap.helper);
  }
}

static bool read_field(napi_env env, napi_value array, uint32_t index, napi_value *value) {
  return napi_get_element(env, array, index, value) == napi_ok;
}

/* Copies a field, which may be empty. */
static bool read_copy(napi_env env, napi_value part, uint32_t index, struct bytes *copy) {
  napi_value value;
  void *data;
  size_t length;
  if (!read_field(env, part, index, &value) || !read_bytes(env, value, &data, &length)) return false;
  *copy = (struct bytes){.data = malloc(length + 1), .length = length};
  if (copy->data == NULL) abort();
  if (length > 0) memcpy(copy->data, data, length);
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

/* [kind, file, ifname, ifindex] or [kind, file, ifname, ifindex, value] */
static bool read_file_part(napi_env env, napi_value value, struct part *part) {
  napi_value key, ifname, ifindex, text;
  long number, index;
  struct kernel_file *file = &part->file;
  if (!read_field(env, value, 1, &key) || !read_number(env, key, &number) || !read_field(env, value, 2, &ifname) ||
      !read_text(env, ifname, file->ifname, sizeof file->ifname) || !read_field(env, value, 3, &ifindex) ||
      !read_number(env, ifindex, &index))
    return false;
  if (number < 0 || number >= FILE_COUNT) {
    napi_throw_range_error(env, NULL, "no such file");
    return false;
  }
  file->key = (unsigned)number;
  file->ifindex = (int)index;
  return part->kind == PART_READ_FILE ||
         (read_field(env, value, 4, &text) && read_text(env, text, file->value, sizeof file->value));
}

/* [kind, id] */
static bool read_program_part(napi_env env, napi_value value, struct part *part) {
  napi_value id;
  long number;
  if (!read_field(env, value, 1, &id) || !read_number(env, id, &number)) return false;
  part->program = (uint32_t)number;
  return true;
}

static bool read_part(napi_env env, napi_value value, struct part *part) {
  napi_value kind;
  long number;
  if (!read_field(env, value, 0, &kind) || !read_number(env, kind, &number)) return false;
  part->kind = (unsigned)number;
  switch (part->kind) {
    case PART_EXCHANGE:
      /* [kind, requests, keeps] */
      return read_copy(env, value, 1, &part->requests) && read_copy(env, value, 2, &part->keeps);
    case PART_CREATE_TAP:
      return read_tap(env, value, &part->tap);
    case PART_PERSIST_TAP:
    case PART_QUERY_TCX:
      return true;
    case PART_READ_PROGRAM:
      return read_program_part(env, value, part);
    case PART_READ_FILE:
    case PART_WRITE_FILE:
      return read_file_part(env, value, part);
    default:
      return read_copy(env, value, 1, &part->requests); /* [kind, requests] */
  }
}

napi_value js_run(napi_env env, napi_callback_info info) {
  napi_value arguments[MAX_ARGUMENTS];
  long netns, socket, nftables, tap;
  bool continue_on_error;
  uint32_t count;
  if (!read_arguments(env, info, 6, arguments) || !read_number(env, arguments[0], &netns) ||
      !read_number(env, arguments[1], &socket) || !read_number(env, arguments[2], &nftables) ||
      !read_number(env, arguments[3], &tap) || napi_get_value_bool(env, arguments[4], &continue_on_error) != napi_ok ||
      napi_get_array_length(env, arguments[5], &count) != napi_ok)
    return NULL;
  struct script_job *script = calloc(1, sizeof *script + count * sizeof(struct part));
  if (script == NULL) abort();
  script->job = (struct job){.run = run_script_job, .result = script_result, .dispose = dispose_script};
  script->script = (struct script){.netns = (int)netns, .socket = (int)socket, .nftables = (int)nftables, .tap = (int)tap, .done_tap = -1, .continue_on_error = continue_on_error, .count = (int)count};
  for (uint32_t i = 0; i < count; i++) {
    napi_value part;
    if (read_field(env, arguments[5], i, &part) && read_part(env, part, &script->script.parts[i])) continue;
    dispose_script(&script->job);
    free(script);
    return NULL;
  }
  return start_job(env, &script->job);
}
