#ifndef TAPWIRE_VALUES_H
#define TAPWIRE_VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/*
 * Converts values between JavaScript and C. A wrong type is a bug, since native.ts is typed: then
 * the functions throw a TypeError and return false.
 */

enum { MAX_ARGUMENTS = 8 };

/* Reads the arguments of a call, of which there must be `count`. */
bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);
bool read_number(napi_env env, napi_value argument, long *value);
bool read_text(napi_env env, napi_value argument, char *text, size_t size);
/* Copies a string to the heap; leaves NULL for null. */
bool read_optional_text(napi_env env, napi_value argument, const char **text);
/* Points to the bytes of a Buffer, without copying. */
bool read_bytes(napi_env env, napi_value argument, void **data, size_t *length);

napi_value integer(napi_env env, int value);
napi_value boolean(napi_env env, bool value);
napi_value integers(napi_env env, const int *values, size_t count);

napi_value throw_failure(napi_env env, struct failure failure);

#endif
