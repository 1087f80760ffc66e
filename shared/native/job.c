#include <stdlib.h>

#include "job.h"

napi_value failure_to_error(napi_env env, struct failure failure) {
  napi_value error, message, number;
  napi_create_string_utf8(env, failure.request, NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, NULL, message, &error);
  napi_create_int32(env, failure.number, &number);
  napi_set_named_property(env, error, "errno", number);
  return error;
}

static void run(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  job->failure = job->run(job);
}

static void complete(napi_env env, napi_status status, void *data) {
  (void)status; /* nothing cancels a job */
  struct job *job = data;
  if (job->failure.request != NULL) napi_reject_deferred(env, job->deferred, failure_to_error(env, job->failure));
  else napi_resolve_deferred(env, job->deferred, job->result(env, job));
  napi_delete_async_work(env, job->work);
  if (job->dispose != NULL) job->dispose(job);
  free(job);
}

napi_value start_job(napi_env env, struct job *job) {
  napi_value promise, name;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "tapwire", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run, complete, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}
