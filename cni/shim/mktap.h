/* tapwire mktap FD IFNAME QUEUES OWNER GROUP */
#pragma once

/* Makes the tap; returns the exit status: 0, or the errno of what failed. */
int make_tap(int argc, char **argv);

/* The descriptor that the arguments name, or -1. */
int mktap_descriptor(int argc, char **argv);
