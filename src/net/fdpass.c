/* SPDX-License-Identifier: MIT */
/* Messages with descriptors across a unix seqpacket socket (SCM_RIGHTS). */
#include "net/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one control message with the most descriptors, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(FDPASS_MOST * sizeof(int))];
};

int fdpass_pair(int out[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out);
}

int fdpass_send(int fd, const void *bytes, size_t length, const int *fds, int n_fds)
{
    /* An empty message would read like the end of the peer. */
    if (length == 0 || n_fds < 0 || n_fds > FDPASS_MOST) {
        errno = EINVAL;
        return -1;
    }
    union control control;
    /* sendmsg only reads the bytes, though struct iovec cannot say so. */
    struct iovec part = {.iov_len = length};
    memcpy(&part.iov_base, &bytes, sizeof bytes);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds > 0) {
        size_t fds_bytes = (size_t)n_fds * sizeof *fds;
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds_bytes);
        struct cmsghdr *header = &control.header; /* CMSG_FIRSTHDR, never NULL here */
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds_bytes);
        memcpy(CMSG_DATA(header), fds, fds_bytes);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0; /* a seqpacket message goes whole or not at all */
}

/* Copies the descriptors out of the control data; returns how many. */
static int take_fds(struct msghdr *message, int *fds)
{
    int n_fds = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t fds_bytes = header->cmsg_len - CMSG_LEN(0);
        memcpy(fds + n_fds, CMSG_DATA(header), fds_bytes);
        n_fds += (int)(fds_bytes / sizeof *fds);
    }
    return n_fds;
}

ssize_t fdpass_receive(int fd, void *bytes, size_t capacity, int *fds, int *n_fds)
{
    *n_fds = 0;
    union control control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message;
    ssize_t received;
    /*
     * A peer that went without having read all we sent is told once as ECONNRESET, before
     * the messages it had sent itself; those are still to be had.
     */
    do {
        message = (struct msghdr){.msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof control};
        received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received <= 0)
        return received;
    *n_fds = take_fds(&message, fds);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (int i = 0; i < *n_fds; i++)
            close(fds[i]);
        *n_fds = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}
