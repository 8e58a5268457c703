/* SPDX-License-Identifier: MIT */
/* Counters that the kernel keeps of all TCP of this machine (/proc/net/netstat). */
#ifndef NET_NETSTAT_H
#define NET_NETSTAT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Finds a counter in the text of /proc/net/netstat: pairs of lines, names over values, both
 * beginning with the group's name and a colon.
 * group  as "TcpExt"; name as "ListenOverflows"
 * Returns false when it is not there; *value_out is then untouched.
 */
bool netstat_find(const char *text, const char *group, const char *name, uint64_t *value_out);

/*
 * How often a connection found the accept queue of its listener full, since the machine (or its
 * network namespace) came up: TcpExt ListenOverflows, of all programs. 0 where it cannot be read.
 */
uint64_t netstat_listen_overflows(void);

#endif
