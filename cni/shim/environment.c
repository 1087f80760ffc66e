#include "environment.h"

const char *find_variable(char **environment, const char *name) {
  for (; *environment != NULL; environment++)
    if (starts_with(*environment, name)) return *environment + length_of(name);
  return "";
}

static bool is_passed_on(const char *variable) {
  return starts_with(variable, "CNI_") || starts_with(variable, "TRACEPARENT=");
}

struct bytes scrub(char **environment) {
  /*
   * The kernel stores the strings contiguously, in the order of the vector: each only moves down.
   */
  char *start = *environment, *end = start;
  char **kept = environment;
  for (char **variable = environment; *variable != NULL; variable++) {
    if (!is_passed_on(*variable)) continue;
    size_t size = length_of(*variable) + 1;
    *kept++ = memmove(end, *variable, size);
    end += size;
  }
  *kept = NULL;
  return (struct bytes){start, (size_t)(end - start)};
}
