/* Decides whether root may run the files of the fallback. */
#pragma once

/* A file that root must not run. `reason` is NULL if there is none. */
struct distrusted {
  /* Path relative to the fallback's directory; "." is that directory itself. */
  const char *name;
  const char *reason;
};

/*
 * Looks for a missing file, and for a file that users other than root own or can write to, in the
 * open directory of the fallback and in all directories under it. So it needs no list of the
 * libraries that the loader will load, nor of the directories in which the loader looks for them.
 * Links are followed.
 */
struct distrusted find_distrusted(int fallback);
