/* SPDX-License-Identifier: MIT */
/* A check that a connection can be made: nothing is said. */
#include "director/probe.h"

static enum probe_verdict start(struct probe *probe)
{
    (void)probe;
    return PROBE_GOOD;
}

const struct probe_kind probe_tcp = {.start = start};
