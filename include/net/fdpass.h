/* SPDX-License-Identifier: MIT */
/* Messages with descriptors across a unix seqpacket socket (SCM_RIGHTS). */
#ifndef NET_FDPASS_H
#define NET_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MOST 128 /* descriptors in one message; the kernel's limit is 253 */

/* A close-on-exec seqpacket pair, non-blocking at both ends. 0 or -1 with errno. */
int fdpass_pair(int out[2]);

/*
 * Sends one message whole. The descriptors stay the caller's.
 * Returns 0, or -1 with errno (EAGAIN: the peer's queue is full, nothing was sent).
 */
int fdpass_send(int fd, const void *bytes, size_t length, const int *fds, int n_fds);

/*
 * Receives one message.
 * fds    room for FDPASS_MOST; received ones are close-on-exec and become the caller's
 * n_fds  out: how many
 * Returns its length, 0 when the peer is gone, -1 with errno (EAGAIN: none waiting;
 * EMSGSIZE: truncated bytes or descriptors: all received descriptors were closed).
 */
ssize_t fdpass_receive(int fd, void *bytes, size_t capacity, int *fds, int *n_fds);

#endif
