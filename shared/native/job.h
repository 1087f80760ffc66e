#ifndef TAPWIRE_JOB_H
#define TAPWIRE_JOB_H

#include <node_api.h>

#include "deadline.h"
#include "failure.h"

/*
 * An operation that may wait for the kernel. It runs on a thread of Node's pool and settles a
 * promise.
 */
struct job {
  /* The operation itself, on a thread of the pool. */
  struct failure (*run)(struct job *);
  /* Makes the promise's value, on JavaScript's thread. Called only if nothing failed. */
  napi_value (*result)(napi_env, struct job *);
  /* Frees what the job points to; may be NULL. */
  void (*dispose)(struct job *);
  napi_async_work work;
  napi_deferred deferred;
  struct failure failure;
  /* While the operation runs: when it began, and its neighbours in the list of all that run. */
  deadline began;
  struct job *previous, *next;
};

/* Starts a job, which must be on the heap and is freed when it has run. Returns the promise. */
napi_value start_job(napi_env env, struct job *job);

/* Returns how many operations have been running for longer than this, each on its own thread. */
int count_overdue(long milliseconds);

/* Makes an Error with the request as its message and the property `errno`. */
napi_value failure_to_error(napi_env env, struct failure failure);

#endif
