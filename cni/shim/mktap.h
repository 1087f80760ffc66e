/* tapwire mktap FD IFNAME QUEUES OWNER GROUP */
#pragma once

/* Creates the tap. Returns the exit status: 0, or the errno of the request that failed. */
int make_tap(int argc, char **argv);

/* Returns the descriptor named in the arguments, or -1. */
int mktap_descriptor(int argc, char **argv);
