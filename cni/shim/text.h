/* Strings and bytes: what a C library would bring, as far as it is needed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bytes {
  const char *start;
  size_t length;
};

size_t length_of(const char *text);
bool equal(const char *one, const char *other);
bool starts_with(const char *text, const char *prefix);

/* Appends to what is in a buffer of `size` bytes; drops what has no room. The result is ended by a 0. */
void append(char *buffer, size_t size, const char *text);

/* Reads a decimal number without sign or leading zeros, at most `largest`; negative where it is none. */
long parse_number(const char *text, long largest);

/* The C library's text for an errno, for those that can happen here: "No such file or directory", else "errno N". */
const char *errno_text(long number);

/* Its symbol: "ENOENT", or "errno N". */
const char *errno_name(long number);

/* The compiler makes calls of these by itself. */
void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *one, const void *other, size_t length);
