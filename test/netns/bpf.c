/*
 * Loads an eBPF program, attaches it to a link of this netns, and prints the program's id. The
 * program stays attached.
 *
 *   bpf tcx LINK INSTRUCTIONS            at the TCX ingress
 *   bpf xdp LINK INSTRUCTIONS            as XDP
 *   bpf tc LINK INSTRUCTIONS PREF FLAGS  as a filter of cls_bpf; flags 1 is direct-action
 *   bpf detach LINK ID                   detaches a program from the TCX ingress
 *
 * INSTRUCTIONS has 16 hex digits for each instruction.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "tapwire_test"
enum { TCX_INGRESS = 46 }; /* BPF_TCX_INGRESS, Linux 6.6 */
enum { ETH_P_ALL_BE = 0x0300 }; /* ETH_P_ALL in network byte order */

static int bpf(int command, union bpf_attr *attr) {
  int result = (int)syscall(SYS_bpf, command, attr, sizeof *attr);
  if (result < 0) {
    perror("bpf");
    exit(1);
  }
  return result;
}

static int load(int type, const char *hex) {
  static unsigned char instructions[1 << 16];
  size_t length = strlen(hex) / 2;
  for (size_t i = 0; i < length; i++) sscanf(hex + 2 * i, "%2hhx", &instructions[i]);
  union bpf_attr attr = {
      .prog_type = type,
      .insn_cnt = length / 8,
      .insns = (unsigned long)instructions,
      .license = (unsigned long)"GPL",
      .prog_name = NAME,
  };
  return bpf(BPF_PROG_LOAD, &attr);
}

static unsigned id_of(int program) {
  struct bpf_prog_info info = {0};
  union bpf_attr attr = {.info = {.bpf_fd = program, .info_len = sizeof info, .info = (unsigned long)&info}};
  bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
  return info.id;
}

static char request[512] __attribute__((aligned(4)));

static void *put(int type, const void *data, int length) {
  struct nlmsghdr *header = (void *)request;
  struct rtattr *attribute = (void *)(request + NLMSG_ALIGN(header->nlmsg_len));
  *attribute = (struct rtattr){.rta_type = type, .rta_len = RTA_LENGTH(length)};
  if (length > 0) memcpy(RTA_DATA(attribute), data, length);
  header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return attribute;
}

static void end(struct rtattr *nest) {
  nest->rta_len = request + ((struct nlmsghdr *)request)->nlmsg_len - (char *)nest;
}

static void change(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct nlmsghdr *header = (void *)request;
  char answer[4096];
  send(fd, request, header->nlmsg_len, 0);
  recv(fd, answer, sizeof answer, 0);
  int error = ((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
  if (error == 0) return;
  fprintf(stderr, "netlink: %s\n", strerror(-error));
  exit(1);
}

static void add_filter(int ifindex, int program, unsigned pref, unsigned flags) {
  struct nlmsghdr *header = (void *)request;
  *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)), .nlmsg_type = RTM_NEWTFILTER,
                              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL};
  *(struct tcmsg *)NLMSG_DATA(header) = (struct tcmsg){
      .tcm_ifindex = ifindex, .tcm_parent = 0xfffffff2, .tcm_info = pref << 16 | ETH_P_ALL_BE};
  put(TCA_KIND, "bpf", 4);
  struct rtattr *options = put(TCA_OPTIONS, NULL, 0);
  put(TCA_BPF_FD, &program, 4);
  put(TCA_BPF_NAME, NAME, sizeof NAME);
  put(TCA_BPF_FLAGS, &flags, 4);
  end(options);
  change();
}

static void attach_xdp(int ifindex, int program) {
  struct nlmsghdr *header = (void *)request;
  *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_SETLINK,
                              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
  *(struct ifinfomsg *)NLMSG_DATA(header) = (struct ifinfomsg){.ifi_index = ifindex};
  struct rtattr *xdp = put(IFLA_XDP | NLA_F_NESTED, NULL, 0);
  put(IFLA_XDP_FD, &program, 4);
  end(xdp);
  change();
}

int main(int count, char **words) {
  if (count < 4) return 2;
  int ifindex = (int)if_nametoindex(words[2]);
  if (strcmp(words[1], "detach") == 0) {
    union bpf_attr by_id = {.prog_id = (unsigned)atoi(words[3])};
    int program = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
    union bpf_attr attr = {.target_fd = ifindex, .attach_bpf_fd = program, .attach_type = TCX_INGRESS};
    bpf(BPF_PROG_DETACH, &attr);
    return 0;
  }
  int program = load(strcmp(words[1], "xdp") == 0 ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, words[3]);
  if (strcmp(words[1], "tcx") == 0) {
    union bpf_attr attr = {.target_fd = ifindex, .attach_bpf_fd = program, .attach_type = TCX_INGRESS};
    bpf(BPF_PROG_ATTACH, &attr);
  } else if (strcmp(words[1], "xdp") == 0) {
    attach_xdp(ifindex, program);
  } else {
    add_filter(ifindex, program, (unsigned)atoi(words[4]), (unsigned)atoi(words[5]));
  }
  printf("%u\n", id_of(program));
  return 0;
}
