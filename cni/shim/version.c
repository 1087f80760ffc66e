#include "version.h"

/* "0.3.0, …, 1.1.0": scripts/build.ts takes it from cni/request/version.ts. */
static const char SUPPORTED[] = SUPPORTED_VERSIONS;
enum { LONGEST = 15 };

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static const char *skip_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

/* Skips `"cniVersion" : "`, in upper or lower case as Go does. Returns NULL if it is not that. */
static const char *read_key(const char *at, const char *end) {
  for (const char *key = "\"cniversion\""; *key != '\0'; key++, at++)
    if (at == end || lower(*at) != *key) return NULL;
  at = skip_space(at, end);
  if (at == end || *at++ != ':') return NULL;
  at = skip_space(at, end);
  if (at == end || *at++ != '"') return NULL;
  return at;
}

/*
 * Copies digits and dots up to the closing quote; false if there are other characters or too many.
 */
static bool read_version(const char *at, const char *end, char version[LONGEST + 1]) {
  int length = 0;
  for (; at < end && length < LONGEST; at++) {
    if (*at != '.' && (*at < '0' || *at > '9')) break;
    version[length++] = *at;
  }
  version[length] = '\0';
  return length > 0 && at < end && *at == '"';
}

static bool is_supported(const char *version) {
  size_t length = length_of(version);
  for (const char *one = SUPPORTED; *one != '\0'; one++) {
    bool begins = one == SUPPORTED || one[-1] == ' ';
    if (begins && starts_with(one, version) && (one[length] == ',' || one[length] == '\0')) return true;
  }
  return false;
}

const char *version_of(struct bytes configuration) {
  static char version[LONGEST + 1];
  const char *end = configuration.start + configuration.length;
  for (const char *at = configuration.start; at < end; at++) {
    if (*at != '"') continue;
    const char *value = read_key(at, end);
    if (value != NULL && read_version(value, end, version)) return is_supported(version) ? version : DEFAULT_VERSION;
  }
  return DEFAULT_VERSION;
}
