/* SPDX-License-Identifier: MIT */
/* The shared-memory segment: one sparse memfd of rows that every process maps. */
#include "share/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works. The tables lie behind one another, each from a page's start, all at their full
 * size: about 12 GiB of addresses, of which only touched pages exist. A shared-memory page comes
 * into being by reading it, too; hence the marks …_used in daemon_row, beyond which nobody looks.
 */

_Static_assert(sizeof(size_t) >= 8, "the segment needs a 64-bit address space");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics must work between processes");

#define SEGMENT_MAGIC UINT32_C(0x67616964)
#define PAGE_BYTES                                                                             \
    ((size_t)65536) /* the largest page of any machine, so that tables start at one */

/* Hands out the next table of n objects of the given size, from a page's start. */
static void *place(unsigned char *base, size_t *at, size_t object_bytes, size_t n)
{
    void *table = base == NULL ? NULL : base + *at;

    *at += (object_bytes * n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    return table;
}

/* Points the tables into the mapping at base (NULL: counts only). Returns the bytes they take. */
static size_t lay_out(struct segment *segment, void *base)
{
    size_t at = 0;
    const size_t slots = SEGMENT_SLOTS;

    segment->daemon = place(base, &at, sizeof *segment->daemon, 1);
    segment->slots = place(base, &at, sizeof *segment->slots, slots);
    segment->hosts = place(base, &at, sizeof *segment->hosts, SEGMENT_HOSTS);
    segment->groups = place(base, &at, sizeof *segment->groups, SEGMENT_GROUPS);
    segment->services = place(base, &at, sizeof *segment->services, SEGMENT_SERVICES);
    segment->host_shards =
        place(base, &at, sizeof *segment->host_shards, slots * SEGMENT_HOSTS);
    segment->service_shards =
        place(base, &at, sizeof *segment->service_shards, slots * SEGMENT_SERVICES);
    segment->live = place(base, &at, sizeof *segment->live, slots * SEGMENT_LIVE);
    return at;
}

/* Maps segment->fd. Returns 0, or -1 with errno and the segment unchanged. */
static int map(struct segment *segment)
{
    struct segment counted;
    size_t bytes = lay_out(&counted, NULL);
    void *base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, segment->fd, 0);

    if (base == MAP_FAILED)
        return -1;
    /* Both are wishes: a kernel without huge pages refuses the second, and needs it not. */
    (void)madvise(base, bytes, MADV_DONTDUMP);
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    segment->base = base;
    segment->bytes = bytes;
    lay_out(segment, base);
    return 0;
}

int segment_create(struct segment *segment)
{
    struct segment made = {.fd = memfd_create("gaidaros", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    size_t bytes = lay_out(&made, NULL);

    if (made.fd < 0)
        return -1;
    /* Sealed: nobody who holds the descriptor can take the memory from under the others. */
    if (ftruncate(made.fd, (off_t)bytes) != 0 ||
        fcntl(made.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        map(&made) != 0)
        goto fail;
    made.daemon->magic = SEGMENT_MAGIC;
    made.daemon->version = SEGMENT_VERSION;
    *segment = made;
    return 0;
fail:;
    int error = errno;
    close(made.fd);
    errno = error;
    return -1;
}

int segment_attach(struct segment *segment, int fd)
{
    struct segment found = {.fd = fd};
    size_t bytes = lay_out(&found, NULL);
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -1;
    if ((uint64_t)status.st_size != bytes) {
        errno = EPROTO;
        return -1;
    }
    if (map(&found) != 0)
        return -1;
    if (found.daemon->magic != SEGMENT_MAGIC || found.daemon->version != SEGMENT_VERSION) {
        munmap(found.base, found.bytes);
        errno = EPROTO;
        return -1;
    }
    *segment = found;
    return 0;
}

void segment_fini(struct segment *segment)
{
    if (segment->base != NULL) {
        munmap(segment->base, segment->bytes);
        close(segment->fd);
    }
    *segment = (struct segment){.fd = -1};
}

void segment_raise(_Atomic uint32_t *mark, uint32_t used)
{
    uint32_t seen = atomic_load(mark);

    while (seen < used && !atomic_compare_exchange_weak(mark, &seen, used))
        ;
}

void segment_use_slot(struct segment *segment, uint32_t slot)
{
    assert(slot < SEGMENT_SLOTS);
    segment_raise(&segment->daemon->slots_used, slot + 1);
}
