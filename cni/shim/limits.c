#include "limits.h"

#include <asm/resource.h>

#include "kernel.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)

/*
 * `least` is measured with Node.js 24: what it needs before its first line. Above it, a call that
 * succeeds today must not be rejected, although Node may need more for another call.
 */
static const struct {
  int resource;
  const char *name;
  uint64_t wanted;
  uint64_t least;
  const char *text;
} LIMITS[] = {
    {RLIMIT_NOFILE, "RLIMIT_NOFILE", 1024, 22, "22"},
    {RLIMIT_AS, "RLIMIT_AS", 8192 * MIB, 1175 * MIB, "1175 MiB"},
    {RLIMIT_DATA, "RLIMIT_DATA", 4096 * MIB, 600 * MIB, "600 MiB"},
    {RLIMIT_STACK, "RLIMIT_STACK", 8 * MIB, 96 * KIB, "96 KiB"},
    {RLIMIT_FSIZE, "RLIMIT_FSIZE", 64 * MIB, 0, "0"}, // writing fails with EFBIG, which is reported
    {RLIMIT_CPU, "RLIMIT_CPU", 60, 0, "0"},           // seconds; most calls need less than 1
};
enum { COUNT = sizeof LIMITS / sizeof LIMITS[0] };

/* Returns the limit that was reached, or UINT64_MAX if it was high enough before. */
static uint64_t raise_limit(int resource, uint64_t wanted) {
  struct rlimit64 limit;
  if (sys_prlimit(resource, NULL, &limit) < 0 || limit.rlim_cur >= wanted) return UINT64_MAX;
  struct rlimit64 higher = {wanted, limit.rlim_max < wanted ? wanted : limit.rlim_max};
  if (sys_prlimit(resource, &higher, NULL) == 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  sys_prlimit(resource, &limit, NULL);
  return limit.rlim_cur;
}

struct low_limit raise_limits(void) {
  for (int i = 0; i < COUNT; i++) {
    uint64_t reached = raise_limit(LIMITS[i].resource, LIMITS[i].wanted);
    if (reached < LIMITS[i].least) return (struct low_limit){LIMITS[i].name, LIMITS[i].text};
  }
  return (struct low_limit){0};
}
