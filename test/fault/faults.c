/*
 * Faults of disk and clock for one process, put in with LD_PRELOAD. Every 64th of a second it reads the file named by
 * LONGROOF_FAULTS: words `errno=N` (writes, syncs and creation under LONGROOF_FAULTS_UNDER fail with it), `stall=MS` (fdatasync and
 * fsync there take so much longer), `wall=MS` (CLOCK_REALTIME is ahead by so much). An empty file is no fault.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static _Atomic long fault_errno, stall_ms, wall_ms, looked_at;

static long now_ms(void) {
  static int (*real)(clockid_t, struct timespec *);
  struct timespec at;
  if (!real) real = REAL("clock_gettime", int (*)(clockid_t, struct timespec *));
  real(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void look(void) {
  static int (*real_open)(const char *, int, ...);
  long now = now_ms(), then = atomic_load(&looked_at);
  char text[256] = {0};
  const char *path, *word;
  int fd;
  if (now - then < 16 || !atomic_compare_exchange_strong(&looked_at, &then, now)) return;
  if (!(path = getenv("LONGROOF_FAULTS"))) return;
  if (!real_open) real_open = REAL("open", int (*)(const char *, int, ...));
  if ((fd = real_open(path, O_RDONLY)) < 0) return;
  if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
  close(fd);
  atomic_store(&fault_errno, (word = strstr(text, "errno=")) ? atol(word + 6) : 0);
  atomic_store(&stall_ms, (word = strstr(text, "stall=")) ? atol(word + 6) : 0);
  atomic_store(&wall_ms, (word = strstr(text, "wall=")) ? atol(word + 5) : 0);
}

static int under_path(const char *path) {
  const char *prefix = getenv("LONGROOF_FAULTS_UNDER");
  return prefix && path && strncmp(path, prefix, strlen(prefix)) == 0;
}

static int under(int fd) {
  char link[64], path[PATH_MAX];
  ssize_t length;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if ((length = readlink(link, path, sizeof path - 1)) < 0) return 0;
  path[length] = 0;
  return under_path(path);
}

static int fails(int fd) {
  look();
  long number = atomic_load(&fault_errno);
  if (!number || !under(fd)) return 0;
  errno = (int)number;
  return 1;
}

static void stall(int fd) {
  long ms = atomic_load(&stall_ms);
  if (ms > 0 && under(fd)) usleep((useconds_t)ms * 1000);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = REAL("write", ssize_t (*)(int, const void *, size_t));
  return fails(fd) ? -1 : real(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  static ssize_t (*real)(int, const struct iovec *, int);
  if (!real) real = REAL("writev", ssize_t (*)(int, const struct iovec *, int));
  return fails(fd) ? -1 : real(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (!real) real = REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t));
  return fails(fd) ? -1 : real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = REAL("fdatasync", int (*)(int));
  if (fails(fd)) return -1;
  stall(fd);
  return real(fd);
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = REAL("fsync", int (*)(int));
  if (fails(fd)) return -1;
  stall(fd);
  return real(fd);
}

static int open_or_fail(const char *name, const char *path, int flags, mode_t mode) {
  look();
  long number = atomic_load(&fault_errno);
  if (number && (flags & (O_CREAT | O_WRONLY | O_RDWR)) && under_path(path)) {
    errno = (int)number;
    return -1;
  }
  return REAL(name, int (*)(const char *, int, ...))(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_or_fail("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_or_fail("open64", path, flags, mode);
}

int clock_gettime(clockid_t which, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = REAL("clock_gettime", int (*)(clockid_t, struct timespec *));
  int result = real(which, at);
  if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
    look();
    at->tv_sec += atomic_load(&wall_ms) / 1000;
  }
  return result;
}

int gettimeofday(struct timeval *at, void *zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = REAL("gettimeofday", int (*)(struct timeval *, void *));
  int result = real(at, zone);
  look();
  at->tv_sec += atomic_load(&wall_ms) / 1000;
  return result;
}
