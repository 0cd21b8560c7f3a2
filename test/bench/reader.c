/* The floor of recording: plays RTSP streams over one TCP connection each, reads what has come every 100 ms and writes it, as it is, to a
 * file a camera. No parsing, no hashing, no syncing. Usage: reader FOLDER URL... ; files FOLDER/0.rtp, FOLDER/1.rtp and so on.
 * Prints "playing" when all cameras play; ends on SIGTERM. Any failure ends it with code 1 and a line that says why. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CAMERAS_MAX 64
#define PAUSE_US 100000

static char bytes[1 << 20];
static volatile sig_atomic_t ending;

static void on_term(int signal) {
  (void)signal;
  ending = 1;
}

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "reader: %s: %s\n", what, detail);
  exit(1);
}

static void send_all(int fd, const char *text) {
  for (size_t left = strlen(text); left > 0;) {
    ssize_t sent = write(fd, text, left);
    if (sent <= 0) fail("write", strerror(errno));
    text += sent;
    left -= (size_t)sent;
  }
}

/* Reads one answer, its body too, byte by byte: nothing of the stream behind it may be lost. */
static void answer(int fd, char *out, size_t room) {
  size_t length = 0;
  while (length + 1 < room && read(fd, out + length, 1) == 1) {
    out[++length] = 0;
    if (length >= 4 && memcmp(out + length - 4, "\r\n\r\n", 4) == 0) break;
  }
  if (strncmp(out, "RTSP/1.0 200", 12) != 0) fail("answer", out);
  char *body = strcasestr(out, "\r\nContent-Length:");
  for (long left = body ? atol(body + 17) : 0; left > 0 && length + 1 < room; left--) {
    if (read(fd, out + length, 1) != 1) fail("body", "ended");
    out[++length] = 0;
  }
}

static int dial(const char *url) {
  char host[64];
  int port = 554;
  if (sscanf(url, "rtsp://%63[0-9.]:%d", host, &port) != 2) fail("address", url);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) fail("address", url);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect", strerror(errno));
  return fd;
}

/* Copies the rest of the line behind `name`, up to any of `stops`. */
static int field(const char *from, const char *name, const char *stops, char *out, size_t room) {
  const char *at = from ? strcasestr(from, name) : NULL;
  if (!at) return 0;
  at += strlen(name);
  at += strspn(at, " ");
  size_t length = strcspn(at, stops);
  if (length >= room) fail("too long", name);
  memcpy(out, at, length);
  out[length] = 0;
  return 1;
}

static int play(const char *url) {
  static char text[65536], request[2048];
  char base[512], control[512], track[1100], session[128];
  int fd = dial(url);
  snprintf(request, sizeof request, "DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n", url);
  send_all(fd, request);
  answer(fd, text, sizeof text);
  if (!field(text, "\r\nContent-Base:", "\r\n", base, sizeof base)) snprintf(base, sizeof base, "%s/", url);
  if (!field(strstr(text, "m=video"), "a=control:", "\r\n", control, sizeof control)) fail("description", "no video track");
  if (strncmp(control, "rtsp://", 7) == 0) snprintf(track, sizeof track, "%s", control);
  else snprintf(track, sizeof track, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", control);
  snprintf(request, sizeof request, "SETUP %s RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", track);
  send_all(fd, request);
  answer(fd, text, sizeof text);
  if (!field(text, "\r\nSession:", ";\r\n", session, sizeof session)) fail("session", text);
  snprintf(request, sizeof request, "PLAY %s RTSP/1.0\r\nCSeq: 3\r\nSession: %s\r\nRange: npt=0.000-\r\n\r\n", base, session);
  send_all(fd, request);
  answer(fd, text, sizeof text);
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl", strerror(errno));
  return fd;
}

static void drain(int from, int to) {
  for (;;) {
    ssize_t got = read(from, bytes, sizeof bytes);
    if (got == 0) fail("camera", "closed the connection");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) fail("read", strerror(errno));
    if (write(to, bytes, (size_t)got) != got) fail("write", strerror(errno));
    if ((size_t)got < sizeof bytes) return;
  }
}

int main(int argc, char **argv) {
  int count = argc - 2;
  int sockets[CAMERAS_MAX], files[CAMERAS_MAX];
  if (count < 1 || count > CAMERAS_MAX) fail("usage", "reader FOLDER URL...");
  signal(SIGTERM, on_term);
  for (int i = 0; i < count; i++) {
    char name[1024];
    snprintf(name, sizeof name, "%s/%d.rtp", argv[1], i);
    files[i] = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (files[i] < 0) fail(name, strerror(errno));
    sockets[i] = play(argv[2 + i]);
  }
  puts("playing");
  fflush(stdout);
  while (!ending) {
    usleep(PAUSE_US);
    for (int i = 0; i < count; i++) drain(sockets[i], files[i]);
  }
  return 0;
}
