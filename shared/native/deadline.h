#ifndef TAPWIRE_DEADLINE_H
#define TAPWIRE_DEADLINE_H

#include <stdbool.h>

/*
 * Time limit in milliseconds for the answers to one send, or for the deletion of one link. Usually
 * the kernel takes a few milliseconds; while hundreds of links are deleted at once, it takes
 * seconds.
 */
enum { KERNEL_TIMEOUT = 10 * 1000 };

/* A time of the monotonic clock in milliseconds. */
typedef long long deadline;

deadline deadline_in(long milliseconds);
deadline earlier(deadline one, deadline other);
bool is_over(deadline deadline);
/* Returns the milliseconds until the deadline, or 0 if it has passed. */
int left_until(deadline deadline);

void pause_for(int milliseconds);

#endif
