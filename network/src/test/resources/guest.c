/* Plays guests and outside machines in the tests of slots. The first two modes print "ready" and
 * end with their standard input.
 *   join TAPNS OTHERNS          holds tap0 of TAPNS and joins it to a new tap0 in OTHERNS
 *   serve PORT                  answers every TCP connection with the peer's address; UDP as well
 *   dial ADDRESS PORT           prints what the server there said, or the errno
 *   ask ADDRESS PORT [OWN]      the same over UDP, with a limit of 2 s, from that port
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    printf("%s: errno %d\n", what, errno);
    exit(1);
}

static int tap_in(const char *namespace) {
    char path[128];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int ns = open(path, O_RDONLY);
    if (ns < 0 || setns(ns, CLONE_NEWNET)) fail("setns");
    int tap = open("/dev/net/tun", O_RDWR);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strcpy(request.ifr_name, "tap0");
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request)) fail("tap");
    return tap;
}

static void join(char **namespaces) {
    struct pollfd taps[3] = {
        {tap_in(namespaces[0]), POLLIN, 0}, {tap_in(namespaces[1]), POLLIN, 0}, {0, POLLIN, 0}};
    static char frame[65536];
    puts("ready");
    for (;;) {
        if (poll(taps, 3, -1) < 0) fail("poll");
        if (taps[2].revents) exit(0);
        for (int i = 0; i < 2; i++) {
            if (taps[i].revents & POLLIN) {
                ssize_t length = read(taps[i].fd, frame, sizeof frame);
                /* A frame to an end that is still down is lost, as on a cable. */
                if (length > 0 && write(taps[1 - i].fd, frame, length) < 0 && errno != EIO)
                    fail("write");
            }
        }
    }
}

static struct sockaddr_in at(const char *address, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_aton(address, &to.sin_addr);
    return to;
}

static void serve(const char *port) {
    struct sockaddr_in here = at("0.0.0.0", port), peer;
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(tcp, (void *)&here, sizeof here) || listen(tcp, 64)) fail("listen");
    if (bind(udp, (void *)&here, sizeof here)) fail("bind");
    puts("ready");
    for (;;) {
        struct pollfd both[3] = {{tcp, POLLIN, 0}, {udp, POLLIN, 0}, {0, POLLIN, 0}};
        poll(both, 3, -1);
        if (both[2].revents) exit(0);
        socklen_t length = sizeof peer;
        char text[64];
        if (both[0].revents) {
            int connection = accept(tcp, (void *)&peer, &length);
            int n = snprintf(text, sizeof text, "hello %s\n", inet_ntoa(peer.sin_addr));
            if (write(connection, text, n) < 0) perror("write");
            close(connection);
        }
        if (both[1].revents) {
            recvfrom(udp, text, sizeof text, 0, (void *)&peer, &length);
            int n = snprintf(text, sizeof text, "hello %s\n", inet_ntoa(peer.sin_addr));
            sendto(udp, text, n, 0, (void *)&peer, length);
        }
    }
}

static void talk(int type, const char *address, const char *port, const char *own) {
    struct sockaddr_in to = at(address, port);
    struct timeval limit = {2, 0};
    int s = socket(AF_INET, type, 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct sockaddr_in here = at("0.0.0.0", own);
    if (bind(s, (void *)&here, sizeof here)) fail("bind");
    if (connect(s, (void *)&to, sizeof to)) fail("connect");
    if (type == SOCK_DGRAM && send(s, "?", 1, 0) != 1) fail("send");
    char text[64];
    ssize_t length = read(s, text, sizeof text - 1);
    if (length < 0) fail("read");
    text[length] = 0;
    printf("%s", text);
}

int main(int count, char **words) {
    setbuf(stdout, 0);
    if (count == 4 && !strcmp(words[1], "join")) join(words + 2);
    if (count == 3 && !strcmp(words[1], "serve")) serve(words[2]);
    if (count == 4 && !strcmp(words[1], "dial")) talk(SOCK_STREAM, words[2], words[3], "0");
    if (count == 4 && !strcmp(words[1], "ask")) talk(SOCK_DGRAM, words[2], words[3], "0");
    if (count == 5 && !strcmp(words[1], "ask")) talk(SOCK_DGRAM, words[2], words[3], words[4]);
    return 0;
}
