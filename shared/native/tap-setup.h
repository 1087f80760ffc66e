/*
 * Turns an open file of /dev/net/tun into a tap. The addon calls this itself, or executes the shim
 * under an SELinux label to do so. The shim has no C library, so this header needs none.
 */
#ifndef TAPWIRE_TAP_SETUP_H
#define TAPWIRE_TAP_SETUP_H

#include <linux/if_tun.h>
#include <linux/ioctl.h>
#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* Bytes of a link's name with the zero at its end (IFNAMSIZ). */
enum { IFNAME_SIZE = 16 };

/* netdevice(7): the kernel's struct ifreq. */
struct interface_request {
  char ifname[IFNAME_SIZE];
  short flags;
  char unused[22];
};

/* ioctl(2), but returns a negative errno when it fails. */
typedef long control(int fd, unsigned long request, unsigned long argument);

/* Creates the tap for an owner and a group; a negative value means none. It lives as long as the
 * descriptor. */
static inline struct failure set_up_tap(control *control, int fd, const char *ifname, bool multi_queue, long owner,
                                        long group) {
  /* EXCL: otherwise TUNSETIFF silently attaches to an existing tap of that name. */
  struct interface_request request = {.flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};
  if (multi_queue) request.flags |= IFF_MULTI_QUEUE;
  for (size_t i = 0; i < IFNAME_SIZE - 1 && ifname[i] != '\0'; i++) request.ifname[i] = ifname[i];

  const struct {
    const char *name;
    unsigned long request, argument;
    bool is_wanted;
  } steps[] = {
      {"TUNSETIFF", TUNSETIFF, (unsigned long)&request, true},
      {"TUNSETOWNER", TUNSETOWNER, (unsigned long)owner, owner >= 0},
      {"TUNSETGROUP", TUNSETGROUP, (unsigned long)group, group >= 0},
  };
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    if (!steps[i].is_wanted) continue;
    long status = control(fd, steps[i].request, steps[i].argument);
    if (status < 0) return (struct failure){steps[i].name, (int)-status};
  }
  return NO_FAILURE;
}

#endif
