#ifndef TAPWIRE_LINK_EVENTS_H
#define TAPWIRE_LINK_EVENTS_H

#include <stdint.h>

#include "failure.h"

/*
 * Opens an rtnetlink socket in this process's own netns, to which the kernel sends the events of
 * `groups`, a mask of RTMGRP_*. Reading from it does not wait. It fails with ENOBUFS if events were
 * lost.
 */
struct failure open_link_events(uint32_t groups, int *fd);

#endif
