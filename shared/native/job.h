#ifndef TAPWIRE_JOB_H
#define TAPWIRE_JOB_H

#include <node_api.h>

#include "failure.h"

/* One operation that may wait for the kernel: run on a thread of Node's pool, its end told to JavaScript by a promise. */
struct job {
  struct failure (*run)(struct job *);
  /* On JavaScript's thread, when nothing failed. */
  napi_value (*result)(napi_env, struct job *);
  /* Frees what the job holds beside itself; may be NULL. */
  void (*dispose)(struct job *);
  napi_async_work work;
  napi_deferred deferred;
  struct failure failure;
};

/* Starts a job, which is on the heap and freed at its end; returns the promise. */
napi_value start_job(napi_env env, struct job *job);

/* An Error whose message is the request and which has `errno`. */
napi_value failure_to_error(napi_env env, struct failure failure);

#endif
