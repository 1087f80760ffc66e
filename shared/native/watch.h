#ifndef TAPWIRE_WATCH_H
#define TAPWIRE_WATCH_H

#include <node_api.h>

/*
 * watch(fd, writable, callback) -> watch. Calls back each time the descriptor is readable (or
 * writable), or its other end has closed.
 */
napi_value watch(napi_env env, napi_callback_info info);

/* unwatch(watch). Call it before closing the descriptor. */
napi_value unwatch(napi_env env, napi_callback_info info);

#endif
