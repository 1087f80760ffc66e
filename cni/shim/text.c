#include "text.h"

size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

bool equal(const char *one, const char *other) {
  size_t length = length_of(one);
  return length == length_of(other) && memcmp(one, other, length) == 0;
}

bool starts_with(const char *text, const char *prefix) {
  while (*prefix != '\0')
    if (*text++ != *prefix++) return false;
  return true;
}

void append(char *buffer, size_t size, const char *text) {
  size_t end = length_of(buffer);
  while (end + 1 < size && *text != '\0') buffer[end++] = *text++;
  buffer[end] = '\0';
}

long parse_number(const char *text, long largest) {
  if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0')) return -1;
  long number = 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -1;
    number = number * 10 + (*text - '0');
    if (number > largest) return -1;
  }
  return number;
}

void *memcpy(void *to, const void *from, size_t length) {
  return memmove(to, from, length);
}

void *memmove(void *to, const void *from, size_t length) {
  char *target = to;
  const char *source = from;
  if (target <= source)
    for (size_t i = 0; i < length; i++) target[i] = source[i];
  else
    for (size_t i = length; i > 0; i--) target[i - 1] = source[i - 1];
  return to;
}

void *memset(void *to, int value, size_t length) {
  char *target = to;
  for (size_t i = 0; i < length; i++) target[i] = (char)value;
  return to;
}

int memcmp(const void *one, const void *other, size_t length) {
  const unsigned char *a = one, *b = other;
  for (size_t i = 0; i < length; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}
