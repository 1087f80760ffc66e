#ifndef TAPWIRE_JOBS_H
#define TAPWIRE_JOBS_H

#include <node_api.h>

/* The functions of native.ts that wait for the kernel. Each returns a promise. */

/* newNetns() -> descriptor */
napi_value js_new_netns(napi_env env, napi_callback_info info);

/* askRouters(netns, ifindex, source, most, milliseconds) -> Buffer of addresses */
napi_value js_ask_routers(napi_env env, napi_callback_info info);

/* readPodSocket(netns, name, milliseconds) -> Buffer, or null if no server answers in time */
napi_value js_read_pod_socket(napi_env env, napi_callback_info info);

/*
 * run(netns, socket, nftables, tap, continueOnError, parts) -> [socket, nftables, tap, doneTap,
 * …outcome of each part]
 */
napi_value js_run(napi_env env, napi_callback_info info);

#endif
