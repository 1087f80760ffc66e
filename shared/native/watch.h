#ifndef TAPWIRE_WATCH_H
#define TAPWIRE_WATCH_H

#include <node_api.h>

/* watch(fd, writable, callback) -> watch: calls back each time the descriptor is readable (or writable), or its other end is gone. */
napi_value watch(napi_env env, napi_callback_info info);

/* unwatch(watch): before the descriptor is closed. */
napi_value unwatch(napi_env env, napi_callback_info info);

#endif
