/* SPDX-License-Identifier: MIT */
/* A bell for each worker and the director: rung by another process when there is something that it cannot wait to see. */
#include "share/bells.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <unistd.h>

void bells_init(struct bells *bells)
{
    for (uint32_t whose = 0; whose < BELLS; whose++)
        bells->fds[whose] = -1;
}

void bells_fini(struct bells *bells)
{
    for (uint32_t whose = 0; whose < BELLS; whose++)
        if (bells->fds[whose] >= 0)
            close(bells->fds[whose]);
    bells_init(bells);
}

int bells_make(struct bells *bells, uint32_t whose)
{
    assert(whose < BELLS);
    if (bells->fds[whose] < 0)
        bells->fds[whose] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bells->fds[whose] >= 0 ? 0 : -1;
}

void bells_put(struct bells *bells, uint32_t whose, int fd)
{
    if (whose >= BELLS) {
        close(fd);
        return;
    }
    if (bells->fds[whose] >= 0)
        close(bells->fds[whose]);
    bells->fds[whose] = fd;
}

void bells_ring(const struct bells *bells, uint32_t whose)
{
    static const uint64_t once = 1;

    assert(whose < BELLS);
    /* The one failure is a counter at its end: then it rings already. */
    if (bells->fds[whose] >= 0)
        (void)!write(bells->fds[whose], &once, sizeof once);
}

void bells_ring_all(const struct bells *bells)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        bells_ring(bells, slot);
}

void bells_hush(const struct bells *bells, uint32_t whose)
{
    uint64_t rings;

    assert(whose < BELLS);
    if (bells->fds[whose] >= 0)
        (void)!read(bells->fds[whose], &rings, sizeof rings);
}
