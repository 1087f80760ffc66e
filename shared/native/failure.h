#ifndef TAPWIRE_FAILURE_H
#define TAPWIRE_FAILURE_H

/* A failed kernel request: its name and errno. `request` is NULL if nothing failed. */
struct failure {
  const char *request;
  int number;
};

#define NO_FAILURE ((struct failure){0})

#endif
