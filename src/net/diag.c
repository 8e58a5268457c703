/* SPDX-License-Identifier: MIT */
/* Which TCP connections this machine has, as the kernel tells by netlink (sock_diag(7)). */
#include "net/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32768 };

/* All states that have another end: newer kernels also list sockets that are only bound. */
#define CONNECTED_STATES                                                                       \
    (((UINT32_C(1) << (TCP_CLOSING + 1)) - 1) &                                                \
     ~((UINT32_C(1) << TCP_LISTEN) | (UINT32_C(1) << TCP_CLOSE)))

static int open_diag(void)
{
    const struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static int ask(int fd, int family)
{
    const struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 request;
    } question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = (uint8_t)family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = CONNECTED_STATES},
    };
    return send(fd, &question, sizeof question, 0) == (ssize_t)sizeof question ? 0 : -1;
}

static struct addr address_of(int family, const uint32_t words[4], uint16_t port)
{
    struct addr address = {0};

    if (family == AF_INET) {
        address.in.sin_family = AF_INET;
        address.in.sin_port = port;
        memcpy(&address.in.sin_addr, words, sizeof address.in.sin_addr);
        address.length = sizeof address.in;
    } else {
        address.in6.sin6_family = AF_INET6;
        address.in6.sin6_port = port;
        memcpy(&address.in6.sin6_addr, words, sizeof address.in6.sin6_addr);
        address.length = sizeof address.in6;
        addr_unmap(&address);
    }
    return address;
}

static void tell(const struct inet_diag_msg *socket, diag_visit *visit, void *context)
{
    struct addr local =
        address_of(socket->idiag_family, socket->id.idiag_src, socket->id.idiag_sport);
    struct addr remote =
        address_of(socket->idiag_family, socket->id.idiag_dst, socket->id.idiag_dport);

    visit(context, &local, &remote);
}

/* Reads one datagram of answers. Returns 1 when more come, 0 at the end, -1 with errno. */
static int take_answers(int fd, diag_visit *visit, void *context)
{
    _Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);

    if (got < 0)
        return errno == EINTR ? 1 : -1;
    for (size_t at = 0; (size_t)got - at >= sizeof(struct nlmsghdr);) {
        const struct nlmsghdr *head = (const void *)(bytes + at);
        if (head->nlmsg_len < sizeof *head || head->nlmsg_len > (size_t)got - at)
            break;
        if (head->nlmsg_type == NLMSG_DONE)
            return 0;
        if (head->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = (const void *)(head + 1);
            errno = error->error != 0 ? -error->error : EPROTO;
            return -1;
        }
        if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
            head->nlmsg_len >= sizeof *head + sizeof(struct inet_diag_msg))
            tell((const void *)(head + 1), visit, context);
        at += NLMSG_ALIGN(head->nlmsg_len);
        if (at > (size_t)got)
            break;
    }
    return 1;
}

int diag_walk(int family, diag_visit *visit, void *context)
{
    int fd = open_diag();
    if (fd < 0)
        return -1;
    int result = ask(fd, family) == 0 ? 1 : -1;
    while (result > 0)
        result = take_answers(fd, visit, context);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}
