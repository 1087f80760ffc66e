#include <stdlib.h>

#include "job.h"
#include "values.h"

bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = MAX_ARGUMENTS;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) == napi_ok && given == count) return true;
  napi_throw_type_error(env, NULL, "wrong number of arguments");
  return false;
}

bool read_number(napi_env env, napi_value argument, long *value) {
  int64_t number;
  if (napi_get_value_int64(env, argument, &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "want a number");
    return false;
  }
  *value = (long)number;
  return true;
}

bool read_text(napi_env env, napi_value argument, char *text, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, argument, text, size, &length) == napi_ok) return true;
  napi_throw_type_error(env, NULL, "want a string");
  return false;
}

bool read_optional_text(napi_env env, napi_value argument, const char **text) {
  napi_valuetype type;
  size_t length;
  if (napi_typeof(env, argument, &type) != napi_ok || type == napi_null) return type == napi_null;
  if (napi_get_value_string_utf8(env, argument, NULL, 0, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "want a string or null");
    return false;
  }
  char *copy = malloc(length + 1);
  if (copy == NULL) abort(); /* as Node does when memory runs out */
  *text = copy;
  return read_text(env, argument, copy, length + 1);
}

bool read_bytes(napi_env env, napi_value argument, void **data, size_t *length) {
  if (napi_get_buffer_info(env, argument, data, length) == napi_ok) return true;
  napi_throw_type_error(env, NULL, "want a Buffer");
  return false;
}

napi_value integer(napi_env env, int value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value integers(napi_env env, const int *values, size_t count) {
  napi_value result;
  napi_create_array_with_length(env, count, &result);
  for (size_t i = 0; i < count; i++) napi_set_element(env, result, (uint32_t)i, integer(env, values[i]));
  return result;
}

napi_value throw_failure(napi_env env, struct failure failure) {
  napi_throw(env, failure_to_error(env, failure));
  return NULL;
}
