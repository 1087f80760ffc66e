/* Functions for strings and bytes, in place of a C library. */
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

/* Appends to the string in a buffer of `size` bytes; truncates. The result ends with a 0. */
void append(char *buffer, size_t size, const char *text);

/*
 * Parses a decimal number in 0..`largest` without sign or leading zeros. Returns a negative number
 * if the text is not one.
 */
long parse_number(const char *text, long largest);

/*
 * Returns the C library's text for an errno that the shim can meet ("No such file or directory"),
 * or "errno N".
 */
const char *errno_text(long number);

/* Returns the symbol of an errno: "ENOENT", or "errno N". */
const char *errno_name(long number);

/* The compiler generates calls to these. */
void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *one, const void *other, size_t length);
