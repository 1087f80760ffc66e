#include "netns.h"

#include <linux/nsfs.h>
#include <linux/sched.h>

#include "clock.h"
#include "kernel.h"
#include "output.h"

static const char HOST[] = "/proc/self/ns/net";

struct netns open_netns(const char *path) {
  struct netns netns = {.pod = -1};
  netns.host = (int)sys_open(HOST, O_RDONLY | O_CLOEXEC);
  if (netns.host < 0) fail(IO_FAILURE, NULL, "Cannot open \"", HOST, "\": ", errno_text(-netns.host));
  if (path[0] == '\0') return netns;
  /* NONBLOCK: opening a FIFO must not hang, and opening a device must have no effect. */
  long opened = sys_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (opened < 0) netns.pod_errno = (int)-opened;
  else netns.pod = (int)opened;
  return netns;
}

static bool is_other_netns(const struct netns *netns) {
  struct stat pod, host;
  if (sys_stat_fd(netns->pod, &pod) < 0 || sys_stat_fd(netns->host, &host) < 0) return false;
  if (!S_ISREG(pod.st_mode) || sys_ioctl(netns->pod, NS_GET_NSTYPE, 0) != CLONE_NEWNET) return false;
  return pod.st_dev != host.st_dev || pod.st_ino != host.st_ino;
}

long lock_pod(struct netns *netns, int timeout) {
  if (netns->pod < 0 || !is_other_netns(netns)) return 0;
  long status = lock_within(netns->pod, timeout);
  netns->is_locked = status == 0;
  return status;
}

void close_netns(struct netns *netns) {
  if (netns->pod >= 0) sys_close(netns->pod);
  if (netns->host >= 0) sys_close(netns->host);
  *netns = (struct netns){.pod = -1, .host = -1};
}
