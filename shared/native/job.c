#include <pthread.h>
#include <stdlib.h>

#include "job.h"

/* The jobs that run now. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *running;

static void enter(struct job *job) {
  pthread_mutex_lock(&lock);
  job->began = deadline_in(0);
  job->previous = NULL;
  job->next = running;
  if (running != NULL) running->previous = job;
  running = job;
  pthread_mutex_unlock(&lock);
}

static void leave(struct job *job) {
  pthread_mutex_lock(&lock);
  if (job->previous != NULL) job->previous->next = job->next;
  else running = job->next;
  if (job->next != NULL) job->next->previous = job->previous;
  pthread_mutex_unlock(&lock);
}

int count_overdue(long milliseconds) {
  int count = 0;
  pthread_mutex_lock(&lock);
  for (const struct job *job = running; job != NULL; job = job->next)
    if (is_over(job->began + milliseconds)) count++;
  pthread_mutex_unlock(&lock);
  return count;
}

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
  enter(job);
  job->failure = job->run(job);
  leave(job);
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
