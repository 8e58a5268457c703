/* SPDX-License-Identifier: MIT */
/* A service's TLS: from what its configuration says to what clients meet. */
#ifndef RELAY_TERMINATION_H
#define RELAY_TERMINATION_H

#include "conf/problems.h"
#include "relay/generation.h"
#include "share/segment.h"

/* True when clients of some listen line speak TLS. */
bool termination_is_wanted(const struct model_service *model);

/*
 * Makes service->tls, where it is wanted.
 * segment   with the keys of tickets and sessions; outlives the service
 * Returns false with the reasons in problems, at the lines that are to blame. Expired certificates are a warning.
 */
bool termination_prepare(struct service *service, const struct model *model,
                         const struct segment *segment, struct problems *problems);

#endif
