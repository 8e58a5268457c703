/* SPDX-License-Identifier: MIT */
/* `when_no_host = sorry`: a client that gets no host is told so in the service's own words. */
#ifndef RELAY_SORRY_H
#define RELAY_SORRY_H

#include "relay/conn.h"

enum sorry_verdict {
    SORRY_GOING, /* watched for what comes next */
    SORRY_DONE   /* said, and the client has ended, or is gone */
};

/* Puts the words before the client; false when the service has none, or memory is out. */
bool sorry_begin(struct conn *c);

/* Sends what the client takes, then our FIN. */
enum sorry_verdict sorry_step(struct conn *c);

/* The client is ready: as sorry_step; what it sends is thrown away. */
enum sorry_verdict sorry_ready(struct conn *c, int revents);

#endif
