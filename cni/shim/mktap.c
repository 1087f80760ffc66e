/*
 * Creates a tap on a descriptor of /dev/net/tun that the caller opened in the pod's netns.
 *
 * SELinux gives a tap the label of the task that calls TUNSETIFF, and a VM may only attach to taps
 * with certain labels. So the agent runs this program under such a label. It does not make the tap
 * persistent: the caller shares the open file and does that after it has stored its record in the
 * tap. Until then the kernel deletes the tap when the descriptor is closed.
 */
#include "mktap.h"

#include "../../shared/native/tap-setup.h"
#include "kernel.h"
#include "output.h"

static const char USAGE[] = "usage: tapwire mktap FD IFNAME single-queue|multi-queue OWNER|-1 GROUP|-1\n";

static void say(const char *text) { write_all(2, (struct bytes){text, length_of(text)}); }

static int usage(void) {
  say(USAGE);
  return EINVAL;
}

/*
 * Applies the kernel's rules for names. "%" is rejected as well: with it the kernel chooses a
 * number.
 */
static bool is_ifname(const char *name) {
  size_t length = length_of(name);
  if (length == 0 || length >= IFNAME_SIZE || equal(name, ".") || equal(name, "..")) return false;
  for (; *name != '\0'; name++)
    if (*name <= ' ' || *name == 127 || *name == '/' || *name == ':' || *name == '%') return false;
  return true;
}

/* Reads a uid or gid; -1 means none. Returns false if the text is invalid. */
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

  struct failure failure = set_up_tap(sys_ioctl, fd, argv[3], is_multi_queue, owner, group);
  if (failure.request == NULL) return 0;
  say(failure.request);
  say(": ");
  say(errno_text(failure.number));
  say("\n");
  return failure.number;
}
