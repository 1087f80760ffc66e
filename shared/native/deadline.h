#ifndef TAPWIRE_DEADLINE_H
#define TAPWIRE_DEADLINE_H

#include <stdbool.h>

/*
 * Milliseconds that the kernel gets for the answers to one send, or for the end of one link. It takes a few, and seconds only
 * while hundreds of links are deleted at once.
 */
enum { KERNEL_TIMEOUT = 10 * 1000 };

/* A moment on the monotonic clock, in milliseconds. */
typedef long long deadline;

deadline deadline_in(long milliseconds);
deadline earlier(deadline one, deadline other);
bool is_over(deadline deadline);
/* Milliseconds until then; 0 if it is over. */
int left_until(deadline deadline);

void pause_for(int milliseconds);

#endif
