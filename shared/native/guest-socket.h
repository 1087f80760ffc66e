#ifndef TAPWIRE_GUEST_SOCKET_H
#define TAPWIRE_GUEST_SOCKET_H

#include "failure.h"

enum service { DHCP4, DHCP6, ADVERTISEMENT, SERVICES };

/*
 * Opens the socket on which a service hears the guest of a tap, in this process's own netns, and
 * answers it. Needs no capability, but sysctls that the CNI plugin has set.
 *
 * `id` is the identifier of the echo requests that the kernel makes advertisements of.
 */
struct failure open_guest_socket(enum service service, const char *ifname, unsigned id, int *fd);

#endif
