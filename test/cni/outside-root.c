/*
 * Runs a program as Multus' thick daemon runs plugins. The daemon's container has the node's root
 * at /hostroot. The daemon calls chroot there but not chdir, so its working directory stays the
 * container's "/", which no path leads to any more.
 *
 * Usage: outside-root EMPTY-DIRECTORY PROGRAM ARGUMENT ... (paths as on the node)
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int result, const char *what) {
    if (result == 0)
        return;
    perror(what);
    exit(99);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 99;
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount private");
    must(mount("none", argv[1], "tmpfs", 0, NULL), "mount tmpfs");
    must(chdir(argv[1]), "chdir");
    must(mkdir("hostroot", 0755), "mkdir");
    must((int)syscall(SYS_pivot_root, ".", "hostroot"), "pivot_root");
    must(chdir("/"), "chdir");
    must(chroot("/hostroot"), "chroot");
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 99;
}
