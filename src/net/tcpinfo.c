/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a TCP connection: tcp(7), TCP_INFO. */
#include "net/tcpinfo.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>

/* In the order of the kernel's states, from 1 on. */
static const char *state_word(uint8_t state)
{
    static const char *const words[] = {"unknown",    "established", "syn_sent",  "syn_recv",
                                        "fin_wait_1", "fin_wait_2",  "time_wait", "close",
                                        "close_wait", "last_ack",    "listen",    "closing"};
    return words[state < sizeof words / sizeof *words ? state : 0];
}

int tcp_figures_read(int fd, struct tcp_figures *out)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int queued = 0, waiting = 0;
    *out = (struct tcp_figures){0};
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return -1;
    (void)ioctl(fd, SIOCOUTQ, &queued);
    (void)ioctl(fd, SIOCINQ, &waiting);
    length = sizeof out->local.in6;
    (void)getsockname(fd, &out->local.any, &length);
    length = sizeof out->remote.in6;
    (void)getpeername(fd, &out->remote.any, &length);
    out->state = state_word(info.tcpi_state);
    out->rtt_us = info.tcpi_rtt;
    out->rtt_var_us = info.tcpi_rttvar;
    out->retransmits = info.tcpi_total_retrans;
    out->unacked = info.tcpi_unacked;
    out->lost = info.tcpi_lost;
    /* A peer whose window is closed answers every probe, but takes nothing. */
    out->silent_ms = info.tcpi_unacked > 0 ? info.tcpi_last_ack_recv : info.tcpi_last_data_sent;
    out->cwnd = info.tcpi_snd_cwnd;
    out->send_queue = queued > 0 ? (uint32_t)queued : 0;
    out->receive_queue = waiting > 0 ? (uint32_t)waiting : 0;
    return 0;
}
