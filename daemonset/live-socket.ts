/** Path of the socket for the liveness probe, next to the agent's own (cni/shim/alive.c). */
export const liveSocketOf = (socket: string): string => `${socket}.live`;
