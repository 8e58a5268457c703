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
        if (bells->fds[slot] >= 0)
            close(bells->fds[slot]);
    bells_init(bells);
}

int bells_make(struct bells *bells, uint32_t slot)
{
    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] < 0)
        bells->fds[slot] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bells->fds[slot] >= 0 ? 0 : -1;
}

void bells_put(struct bells *bells, uint32_t slot, int fd)
{
    if (slot >= SEGMENT_SLOTS) {
        close(fd);
        return;
    }
    if (bells->fds[slot] >= 0)
        close(bells->fds[slot]);
    bells->fds[slot] = fd;
}

void bells_ring(const struct bells *bells, uint32_t slot)
{
    static const uint64_t once = 1;

    assert(slot < SEGMENT_SLOTS);
    /* The one failure is a counter at its end: then it rings already. */
    if (bells->fds[slot] >= 0)
        (void)!write(bells->fds[slot], &once, sizeof once);
}

void bells_ring_all(const struct bells *bells)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        bells_ring(bells, slot);
}

void bells_hush(const struct bells *bells, uint32_t slot)
{
    uint64_t rings;

    assert(slot < SEGMENT_SLOTS);
    if (bells->fds[slot] >= 0)
        (void)!read(bells->fds[slot], &rings, sizeof rings);
}
