#ifndef TAPWIRE_JOBS_H
#define TAPWIRE_JOBS_H

#include <node_api.h>

/* What waits for the kernel, as native.ts declares it; each returns a promise. */

/* newNetns() -> descriptor */
napi_value js_new_netns(napi_env env, napi_callback_info info);

/* run(netns, socket, nftables, tap, continueOnError, parts) -> [socket, nftables, tap, doneTap, …what became of each part] */
napi_value js_run(napi_env env, napi_callback_info info);

#endif
