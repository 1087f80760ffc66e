/*
 * Shows how long the kernel takes for an ADD of the tap binding. Makes the kernel requests of
 * Tapwire (cni/bindings/tap/plan-add.ts) in the same order, without any decisions, in the netns
 * CNI_NETNS on the pod link eth0.
 *
 * If this program takes longer on a node with many pods, that is the kernel's share, and Tapwire's
 * ADD takes longer by the same time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PREFERENCE = 49152, OWNER = 107, POD_MTU = 1450, INGRESS = 0xffff0000 };

static char buffer[65536];
static struct {
  struct nlmsghdr header;
  char body[1024];
} request;
static int rtnetlink;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void begin(int type, int flags, const void *body, int length) {
  memset(&request, 0, sizeof request);
  request.header = (struct nlmsghdr){NLMSG_LENGTH(length), type, NLM_F_REQUEST | flags, 0, 0};
  memcpy(request.body, body, length);
}

static struct rtattr *put(int type, const void *value, int length) {
  struct rtattr *attribute = (void *)((char *)&request + NLMSG_ALIGN(request.header.nlmsg_len));
  *attribute = (struct rtattr){RTA_LENGTH(length), type};
  if (length > 0) memcpy(RTA_DATA(attribute), value, length);
  request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(length));
  return attribute;
}

static void end(struct rtattr *nest) { nest->rta_len = (char *)&request + request.header.nlmsg_len - (char *)nest; }

/* Sends the request and reads all of its answer. Returns the errno of a refusal, or 0. */
static int ask(void) {
  if (send(rtnetlink, &request, request.header.nlmsg_len, 0) < 0) fail("send");
  for (;;) {
    int length = recv(rtnetlink, buffer, sizeof buffer, 0);
    if (length < 0) fail("recv");
    for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, (unsigned)length); m = NLMSG_NEXT(m, length)) {
      if (m->nlmsg_type == NLMSG_DONE) return 0;
      if (m->nlmsg_type == NLMSG_ERROR) return -((struct nlmsgerr *)NLMSG_DATA(m))->error;
    }
  }
}

static void must(const char *what) {
  int error = ask();
  if (error == 0) return;
  fprintf(stderr, "%s: %s\n", what, strerror(error));
  exit(1);
}

static void dump(int type, const void *body, int length) {
  begin(type, NLM_F_DUMP, body, length);
  if (type == RTM_GETLINK) put(IFLA_EXT_MASK, &(unsigned){RTEXT_FILTER_SKIP_STATS}, 4);
  must("dump");
}

static void set_link(int link, unsigned up, int type, const void *value, int length) {
  begin(RTM_SETLINK, NLM_F_ACK, &(struct ifinfomsg){.ifi_index = link, .ifi_flags = up, .ifi_change = up},
        sizeof(struct ifinfomsg));
  if (type != 0) put(type, value, length);
  must("set link");
}

static void silence(int link) {
  begin(RTM_SETLINK, NLM_F_ACK, &(struct ifinfomsg){.ifi_index = link}, sizeof(struct ifinfomsg));
  struct rtattr *families = put(IFLA_AF_SPEC | NLA_F_NESTED, "", 0), *inet6 = put(AF_INET6 | NLA_F_NESTED, "", 0);
  put(IFLA_INET6_ADDR_GEN_MODE, &(char){IN6_ADDR_GEN_MODE_NONE}, 1);
  end(inet6);
  end(families);
  must("addrgenmode");
}

static void add_clsact(int link) {
  begin(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        &(struct tcmsg){.tcm_ifindex = link, .tcm_parent = TC_H_CLSACT, .tcm_handle = INGRESS}, sizeof(struct tcmsg));
  put(TCA_KIND, "clsact", 7);
  must("clsact");
}

static int redirect(const char *classifier, int actions, int from, int to) {
  struct {
    struct tc_u32_sel head;
    struct tc_u32_key key;
  } everything = {.head = {.flags = TC_U32_TERMINAL, .nkeys = 1}};
  struct tc_mirred mirred = {.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to};
  begin(RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        &(struct tcmsg){.tcm_ifindex = from, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), .tcm_handle = 1,
                        .tcm_info = ((unsigned)PREFERENCE << 16) | __builtin_bswap16(ETH_P_ALL)},
        sizeof(struct tcmsg));
  put(TCA_KIND, classifier, strlen(classifier) + 1);
  struct rtattr *options = put(TCA_OPTIONS, "", 0);
  if (actions == TCA_U32_ACT) put(TCA_U32_SEL, &everything, sizeof everything);
  struct rtattr *list = put(actions, "", 0), *action = put(1, "", 0);
  put(TCA_ACT_KIND, "mirred", 7);
  put(TCA_ACT_COOKIE, "0123456789abcdef", 16);
  struct rtattr *parameters = put(TCA_ACT_OPTIONS | NLA_F_NESTED, "", 0);
  put(TCA_MIRRED_PARMS, &mirred, sizeof mirred);
  end(parameters);
  end(action);
  end(list);
  end(options);
  return ask();
}

static void add_redirect(int from, int to) {
  if (redirect("matchall", TCA_MATCHALL_ACT, from, to) == 0) return;
  if (redirect("u32", TCA_U32_ACT, from, to) != 0) fail("redirect");
}

static int ifindex(int socket, const char *name) {
  struct ifreq link = {0};
  strcpy(link.ifr_name, name);
  if (ioctl(socket, SIOCGIFINDEX, &link) < 0) fail(name);
  return link.ifr_ifindex;
}

int main(void) {
  int netns = open(getenv("CNI_NETNS"), O_RDONLY | O_CLOEXEC);
  if (netns < 0 || setns(netns, CLONE_NEWNET) < 0) fail("netns");
  rtnetlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  dump(RTM_GETLINK, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
  dump(RTM_GETQDISC, &(struct tcmsg){0}, sizeof(struct tcmsg));

  int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  struct ifreq tap = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL};
  if (ioctl(tun, TUNSETIFF, &tap) < 0 || ioctl(tun, TUNSETOWNER, OWNER) < 0 || ioctl(tun, TUNSETGROUP, OWNER) < 0)
    fail("tap");
  int names = socket(AF_UNIX, SOCK_DGRAM, 0), link = ifindex(names, "tap0"), pod = ifindex(names, "eth0");
  set_link(link, 0, IFLA_IFALIAS, "the record that says whose this is", 34);
  silence(link);
  set_link(link, 0, IFLA_MTU, &(int){POD_MTU}, 4);
  add_clsact(link);
  add_redirect(link, pod);
  set_link(link, IFF_UP, 0, NULL, 0);
  if (ioctl(tun, TUNSETPERSIST, 1) < 0) fail("persist");
  add_clsact(pod);
  add_redirect(pod, link);
  puts("{\"cniVersion\":\"1.0.0\"}");
  return 0;
}
