/* SPDX-License-Identifier: MIT */
/* At which ports of this machine TCP handshakes are half open. */
#include "net/halfopen.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES = 16384, WORD_BITS = 64 };

/* A part of the answer, aligned as the kernel's messages are. */
struct answer {
    _Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
};

static int request(int fd, uint8_t family)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } message = {
        .head = {.nlmsg_len = sizeof message,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_C(1) << TCP_SYN_RECV},
    };
    return send(fd, &message, sizeof message, 0) == (ssize_t)sizeof message ? 0 : -1;
}

static void add(struct halfopen *out, const struct nlmsghdr *message)
{
    struct inet_diag_msg body;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof body))
        return;
    memcpy(&body, NLMSG_DATA(message), sizeof body);
    uint16_t port = ntohs(body.id.idiag_sport);
    out->bits[port / WORD_BITS] |= UINT64_C(1) << port % WORD_BITS;
}

/* One part: 1 there are more, 0 it was the last, -1 with errno. */
static int take_part(int fd, struct halfopen *out)
{
    struct answer answer;
    ssize_t length = recv(fd, answer.bytes, sizeof answer.bytes, 0);
    if (length < 0)
        return errno == EINTR ? 1 : -1;
    uint32_t left = (uint32_t)length;
    for (const struct nlmsghdr *at = (const struct nlmsghdr *)answer.bytes; NLMSG_OK(at, left);
         at = (const struct nlmsghdr *)((const char *)at + NLMSG_ALIGN(at->nlmsg_len))) {
        if (at->nlmsg_type == NLMSG_DONE)
            return 0;
        if (at->nlmsg_type == NLMSG_ERROR) {
            errno = EPROTONOSUPPORT;
            return -1;
        }
        add(out, at);
        left -= NLMSG_ALIGN(at->nlmsg_len) < left ? NLMSG_ALIGN(at->nlmsg_len) : left;
    }
    return length > 0;
}

static int read_family(int fd, uint8_t family, struct halfopen *out)
{
    int result = request(fd, family) == 0 ? 1 : -1;
    while (result > 0)
        result = take_part(fd, out);
    return result;
}

int halfopen_read(struct halfopen *out)
{
    *out = (struct halfopen){0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -1;
    int result = read_family(fd, AF_INET, out);
    if (result == 0)
        result = read_family(fd, AF_INET6, out);
    int saved = errno;
    close(fd);
    if (result != 0)
        *out = (struct halfopen){0};
    errno = saved;
    return result;
}

bool halfopen_has(const struct halfopen *halfopen, uint16_t port)
{
    return (halfopen->bits[port / WORD_BITS] >> port % WORD_BITS & 1) != 0;
}
