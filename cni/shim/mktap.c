/*
 * Makes a tap on a descriptor of /dev/net/tun that the caller opened in the pod's netns.
 *
 * SELinux gives a tap the label of the task that does TUNSETIFF, and a VM may attach only to taps with some labels. So the
 * agent runs this under such a label. The tap is not made persistent: the caller, who has the same open file, does that
 * when it has written down that the tap is its own. Until then the tap ends with the descriptor.
 */
#include "mktap.h"

#include <linux/if_tun.h>
#include <linux/ioctl.h>

#include "answer.h"
#include "kernel.h"

enum { IFNAME_SIZE = 16 };

/* netdevice(7): the kernel's struct ifreq. */
struct interface_request {
  char name[IFNAME_SIZE];
  short flags;
  char unused[22];
};

static const char USAGE[] = "usage: tapwire mktap FD IFNAME single-queue|multi-queue OWNER|-1 GROUP|-1\n";

static void say(const char *text) { write_all(2, (struct bytes){text, length_of(text)}); }

static int usage(void) {
  say(USAGE);
  return EINVAL;
}

/* "%" asks the kernel to choose a number; of the rest, what the kernel refuses. */
static bool is_ifname(const char *name) {
  size_t length = length_of(name);
  if (length == 0 || length >= IFNAME_SIZE || equal(name, ".") || equal(name, "..")) return false;
  for (; *name != '\0'; name++)
    if (*name <= ' ' || *name == 127 || *name == '/' || *name == ':' || *name == '%') return false;
  return true;
}

/* A user or group; -1 is none. */
static bool read_id(const char *text, long *id) {
  *id = parse_number(text, UINT32_MAX - 1L);
  return *id >= 0 || equal(text, "-1");
}

int mktap_descriptor(int argc, char **argv) { return argc == 7 ? (int)parse_number(argv[2], INT32_MAX) : -1; }

int make_tap(int argc, char **argv) {
  int fd = mktap_descriptor(argc, argv);
  if (fd < 0 || !is_ifname(argv[3])) return usage();
  bool is_multi_queue = equal(argv[4], "multi-queue");
  if (!is_multi_queue && !equal(argv[4], "single-queue")) return usage();
  long owner, group;
  if (!read_id(argv[5], &owner) || !read_id(argv[6], &group)) return usage();

  struct interface_request request = {.flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};
  if (is_multi_queue) request.flags |= IFF_MULTI_QUEUE;
  append(request.name, sizeof request.name, argv[3]);
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
    long status = sys_ioctl(fd, steps[i].request, steps[i].argument);
    if (status == 0) continue;
    say(steps[i].name);
    say(": ");
    say(errno_text(-status));
    say("\n");
    return (int)-status;
  }
  return 0;
}
