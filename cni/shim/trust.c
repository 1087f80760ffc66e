#include "trust.h"

#include <linux/limits.h>

#include "kernel.h"
#include "text.h"

/* What every fallback has. The rest, such as the libraries next to ld.so, depends on the build. */
static const char *const REQUIRED[] = {".", "lib", "lib/ld.so", "node", "index.js", "package.json", "tapwire.node"};
enum { REQUIRED_COUNT = sizeof REQUIRED / sizeof REQUIRED[0] };

/* Levels of directories. A fallback has two; the bound ends a loop of links. */
enum { MAX_DEPTH = 4 };

/* The directory or file that is being judged, relative to the fallback's directory. */
static char name[PATH_MAX];

/* getdents64(2): the kernel's struct linux_dirent64. */
struct entry {
  uint64_t inode;
  int64_t next;
  unsigned short length;
  unsigned char type;
  char name[];
};

/* Returns why root must not run the file, or NULL. Stores in `is_directory` what it is. */
static const char *judge(int fallback, const char *file, bool *is_directory) {
  struct stat status;
  long failure = sys_stat_at(fallback, file, &status, 0);
  if (failure < 0) return errno_text(-failure);
  *is_directory = S_ISDIR(status.st_mode);
  if (status.st_uid != 0) return "it does not belong to root";
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return "users other than root can write to it";
  return NULL;
}

static const char *judge_directory(int fallback, int depth);

/* Judges one entry of the directory `name`. Leaves the entry in `name` if it is distrusted. */
static const char *judge_entry(int fallback, const char *entry, int depth) {
  if (equal(entry, ".") || equal(entry, "..")) return NULL;
  size_t length = length_of(name);
  if (length > 0) append(name, sizeof name, "/");
  append(name, sizeof name, entry);
  bool is_directory = false;
  const char *reason = judge(fallback, name, &is_directory);
  if (reason == NULL && is_directory) reason = judge_directory(fallback, depth + 1);
  if (reason == NULL) name[length] = '\0';
  return reason;
}

/* Judges what is in the directory `name`; "" is the fallback's own directory. */
static const char *judge_directory(int fallback, int depth) {
  if (depth > MAX_DEPTH) return "it is nested too deeply";
  long directory = sys_open_at(fallback, name[0] == '\0' ? "." : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return errno_text(-directory);
  const char *reason = NULL;
  _Alignas(struct entry) char entries[2048];
  while (reason == NULL) {
    long filled = sys_getdents((int)directory, entries, sizeof entries);
    if (filled == 0) break;
    if (filled < 0) reason = errno_text(-filled);
    for (long at = 0; reason == NULL && at < filled;) {
      const struct entry *entry = (const void *)(entries + at);
      reason = judge_entry(fallback, entry->name, depth);
      at += entry->length;
    }
  }
  sys_close((int)directory);
  return reason;
}

struct distrusted find_distrusted(int fallback) {
  for (int i = 0; i < REQUIRED_COUNT; i++) {
    bool is_directory;
    const char *reason = judge(fallback, REQUIRED[i], &is_directory);
    if (reason != NULL) return (struct distrusted){REQUIRED[i], reason};
  }
  const char *reason = judge_directory(fallback, 1);
  return (struct distrusted){name[0] == '\0' ? "." : name, reason};
}
