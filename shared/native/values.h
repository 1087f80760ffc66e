#ifndef TAPWIRE_VALUES_H
#define TAPWIRE_VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* JavaScript's values as C's and back. native.ts is typed, so a mismatch is a bug: it throws a TypeError, and returns false. */

enum { MAX_ARGUMENTS = 8 };

/* Reads all arguments of a call. */
bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);
bool read_number(napi_env env, napi_value argument, long *value);
bool read_text(napi_env env, napi_value argument, char *text, size_t size);
/* A copy of a text, or NULL for null. */
bool read_optional_text(napi_env env, napi_value argument, const char **text);
/* The bytes stay the Buffer's. */
bool read_bytes(napi_env env, napi_value argument, void **data, size_t *length);

napi_value integer(napi_env env, int value);
napi_value boolean(napi_env env, bool value);
napi_value integers(napi_env env, const int *values, size_t count);

napi_value throw_failure(napi_env env, struct failure failure);

#endif
