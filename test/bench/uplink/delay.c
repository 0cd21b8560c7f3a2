/*
 * A cable of fixed length between two TUN devices: each packet comes out of the other one DELAY_MS later, in order. Stands in for
 * tc's netem, which not every kernel has. Prints "ready" once the devices exist; they may then be moved to other network namespaces.
 * Ends with its standard input. At most RING packets are on the way in one direction; what is more is dropped, as a cable's modem would.
 *
 * delay NAME_A NAME_B DELAY_MS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define RING 8192
#define PACKET 2048

struct way {
  unsigned head, tail;
  long long due_us[RING];
  int length[RING];
  unsigned char bytes[RING][PACKET];
};

static struct way ways[2];

static void fail(const char *what) {
  fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_tun(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return fd;
}

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void take(int fd, struct way *way, long long delay_us) {
  for (;;) {
    unsigned char *slot = way->bytes[way->tail % RING];
    int length = read(fd, slot, PACKET);
    if (length <= 0) return;
    if (way->tail - way->head >= RING - 1) continue;
    way->length[way->tail % RING] = length;
    way->due_us[way->tail % RING] = now_us() + delay_us;
    way->tail++;
  }
}

/* A device that is not up yet takes no packets: they are lost, as on a cable. */
static void give(int fd, struct way *way) {
  while (way->head != way->tail && way->due_us[way->head % RING] <= now_us()) {
    if (write(fd, way->bytes[way->head % RING], way->length[way->head % RING]) < 0 && errno != EIO && errno != EAGAIN && errno != EINVAL)
      fail("write");
    way->head++;
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long long delay_us = atoll(argv[3]) * 1000;
  struct pollfd polls[3] = {{open_tun(argv[1]), POLLIN, 0}, {open_tun(argv[2]), POLLIN, 0}, {0, POLLIN, 0}};
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    long long wait_us = 1000000;
    for (int i = 0; i < 2; i++) {
      if (ways[i].head == ways[i].tail) continue;
      long long left_us = ways[i].due_us[ways[i].head % RING] - now_us();
      if (left_us < wait_us) wait_us = left_us < 0 ? 0 : left_us;
    }
    struct timespec wait = {wait_us / 1000000, (wait_us % 1000000) * 1000};
    if (ppoll(polls, 3, &wait, NULL) < 0 && errno != EINTR) fail("poll");
    char rest[64];
    if (polls[2].revents && read(0, rest, sizeof rest) <= 0) return 0;
    for (int i = 0; i < 2; i++) {
      if (polls[i].revents & POLLIN) take(polls[i].fd, &ways[i], delay_us);
      give(polls[1 - i].fd, &ways[i]);
    }
  }
}
