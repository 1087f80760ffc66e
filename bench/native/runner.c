/*
 * Starts programs and measures them. The runner stays in the netns, cgroup and mount namespace in
 * which it was started, and so do its children. So the times do not include entering them.
 *
 * It has no libc and uses hardly any memory. A program started by vfork inherits the peak memory of
 * its parent (ru_maxrss is the maximum of before and after execve). A small parent makes the
 * measured peak that of the program itself.
 *
 * stdin has lines of fields; each field ends with a tab:
 *   job <tab> PROGRAM <tab> STDIN <tab> STDOUT <tab> NAME=VALUE <tab> ...   queues a call
 *   go                                                                      starts all queued calls
 * stdout has a line for each queued call, in order, and a last line:
 *   WALL_NS USER_US SYSTEM_US MAXRSS_KIB EXIT_STATUS       128 + signal if a signal ended the call
 *   end WALL_NS                                            from the first start to the last exit
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

#include "syscalls.h"

enum { JOBS = 256, WORDS = 64, ARENA = JOBS * 2048, LINE_END = '\n', FIELD_END = '\t' };

struct job {
  char *program, *argv[2], *environment[WORDS];
  int in, out;
  long pid, started, ended, status;
  struct usage usage;
};

/* These take no memory until they are written to: one call writes to their first few pages. */
static struct job jobs[JOBS];
static char arena[ARENA];
static char answers[JOBS * 96];
static char child_stack[4096] __attribute__((aligned(16)));
static long queued, used;

static long now(void) {
  struct timespec time;
  call2(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&time);
  return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void die(const char *why) {
  long length = 0;
  while (why[length] != '\0') length++;
  call3(SYS_write, 2, (long)why, length);
  call1(SYS_exit_group, 2);
}

/* Executes the program. Runs in the child, on its own stack; the parent sleeps until execve. */
static void become(struct job *job) {
  call3(SYS_dup3, job->in, 0, 0);
  call3(SYS_dup3, job->out, 1, 0);
  call3(SYS_execve, (long)job->program, (long)job->argv, (long)job->environment);
  call1(SYS_exit_group, 127);
}

static void start(struct job *job) {
  job->started = now();
  job->pid = clone_vfork(child_stack + sizeof child_stack, (void (*)(void *))become, job);
  if (job->pid < 0) die("Cannot clone\n");
}

static void reap(void) {
  struct usage usage;
  int status;
  long pid = call4(SYS_wait4, -1, (long)&status, 0, (long)&usage);
  long ended = now();
  if (pid < 0) die("Cannot wait\n");
  for (long i = 0; i < queued; i++) {
    if (jobs[i].pid != pid) continue;
    jobs[i].ended = ended;
    jobs[i].usage = usage;
    jobs[i].status = (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
  }
}

static char *put_number(char *to, long number) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0) *to++ = digits[--count];
  return to;
}

/* Starts the queued calls, waits for all of them, and prints their measurements. */
static void go(void) {
  for (long i = 0; i < queued; i++) start(&jobs[i]);
  for (long i = 0; i < queued; i++) reap();
  char *to = answers;
  long last = 0;
  for (long i = 0; i < queued; i++) {
    struct job *job = &jobs[i];
    const struct usage *usage = &job->usage;
    if (job->ended > last) last = job->ended;
    const long columns[] = {job->ended - job->started, usage->user.tv_sec * 1000000 + usage->user.tv_usec,
                            usage->system.tv_sec * 1000000 + usage->system.tv_usec, usage->maxrss, job->status};
    for (int column = 0; column < 5; column++) {
      to = put_number(to, columns[column]);
      *to++ = column == 4 ? '\n' : ' ';
    }
    call1(SYS_close, job->in);
    call1(SYS_close, job->out);
  }
  for (const char *word = "end "; *word != '\0'; word++) *to++ = *word;
  to = put_number(to, last - jobs[0].started);
  *to++ = '\n';
  for (const char *from = answers; from < to;) {
    long written = call3(SYS_write, 1, (long)from, to - from);
    if (written < 0) die("Cannot write the results\n");
    from += written;
  }
  queued = used = 0;
}

static void queue(char **words, int count) {
  if (queued == JOBS || count < 4) die("Cannot queue the call: want at most 256 calls of 4 or more fields\n");
  struct job *job = &jobs[queued++];
  job->program = job->argv[0] = words[1];
  job->in = (int)call4(SYS_openat, AT_FDCWD, (long)words[2], O_RDONLY | O_CLOEXEC, 0);
  job->out = (int)call4(SYS_openat, AT_FDCWD, (long)words[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (job->in < 0 || job->out < 0) die("Cannot open stdin or stdout of a call\n");
  int kept = 0;
  for (int i = 4; i < count; i++) job->environment[kept++] = words[i];
  job->environment[kept] = NULL;
}

/* Reads single bytes, which saves a buffer. Nothing is measured while commands are read. */
static int read_byte(void) {
  unsigned char byte;
  return call3(SYS_read, 0, (long)&byte, 1) == 1 ? byte : -1;
}

/* Reads a line into the arena and its fields into words. Returns their number, or -1 at the end. */
static int read_line(char **words) {
  int count = 0, byte;
  char *word = arena + used;
  while ((byte = read_byte()) >= 0 && byte != LINE_END) {
    if (used == ARENA || count == WORDS) die("Cannot store the call: it is too long\n");
    arena[used++] = (char)(byte == FIELD_END ? '\0' : byte);
    if (byte != FIELD_END) continue;
    words[count++] = word;
    word = arena + used;
  }
  return byte < 0 ? -1 : count;
}

void run(void) {
  char *words[WORDS];
  for (int count; (count = read_line(words)) >= 0;) {
    if (count > 1) queue(words, count);
    else go();
  }
  call1(SYS_exit_group, 0);
}
