/* SPDX-License-Identifier: MIT */
/* The transport over a bare socket. */
#ifndef NET_PLAIN_H
#define NET_PLAIN_H

#include "net/transport.h"

/* recv, send with MSG_NOSIGNAL, shutdown; EINTR is repeated inside. */
extern const struct transport plain_transport;

#endif
