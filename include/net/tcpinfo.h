/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a TCP connection. */
#ifndef NET_TCPINFO_H
#define NET_TCPINFO_H

#include <stdint.h>

#include "net/addr.h"

struct tcp_figures {
    struct addr local, remote; /* AF_UNSPEC: not known */
    const char *state;         /* "established", ...; static */
    uint32_t rtt_us, rtt_var_us;
    uint32_t retransmits;         /* segments, ever */
    uint32_t unacked, lost, cwnd; /* segments */
    uint32_t
        silent_ms; /* since it acknowledged last, or, with nothing on its way, since bytes were sent */
    uint32_t send_queue,
        receive_queue; /* bytes that wait: for an acknowledgement, for us to read */
};

/* Returns 0, or -1 with errno. fd: a TCP socket */
int tcp_figures_read(int fd, struct tcp_figures *out);

#endif
