/* SPDX-License-Identifier: MIT */
/* A bell for each worker: rung by another process when rows have changed that it cannot wait to see. */
#include "share/bells.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <unistd.h>

void bells_init(struct bells *bells)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        bells->fds[slot] = -1;
}

void bells_fini(struct bells *bells)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        bells_put(bells, slot, -1);
}

int bells_make(struct bells *bells, uint32_t slot)
{
    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] < 0)
        bells->fds[slot] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return bells->fds[slot] < 0 ? -1 : 0;
}

void bells_put(struct bells *bells, uint32_t slot, int fd)
{
    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] >= 0)
        close(bells->fds[slot]);
    bells->fds[slot] = fd;
}

void bells_ring(const struct bells *bells, uint32_t slot)
{
    const uint64_t one = 1;
    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] >= 0)
        (void)!write(bells->fds[slot], &one, sizeof one);
}

void bells_ring_all(const struct bells *bells)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        bells_ring(bells, slot);
}

void bells_hush(const struct bells *bells, uint32_t slot)
{
    uint64_t rung;
    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] >= 0)
        (void)!read(bells->fds[slot], &rung, sizeof rung);
}
