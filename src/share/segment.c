/* SPDX-License-Identifier: MIT */
/* The shared-memory segment: one sparse memfd of rows that every process maps. */
#include "share/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * How it works. The tables lie behind one another, each from a page's start, all at their full
 * size: about 14 GiB of addresses, of which only touched pages exist. A shared-memory page comes
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
static size_t lay_out(struct segment *segment, void *base, const struct segment_sizes *sizes)
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
    segment->host_changes =
        place(base, &at, sizeof *segment->host_changes, (size_t)SEGMENT_HOSTS * HOST_CHANGES);
    segment->line_firsts =
        place(base, &at, sizeof *segment->line_firsts, SEGMENT_GROUPS * slots);
    segment->host_blocks =
        place(base, &at, sizeof *segment->host_blocks, SEGMENT_HOSTS / HOSTS_A_BLOCK);
    segment->live_traffic =
        place(base, &at, sizeof *segment->live_traffic, slots * SEGMENT_LIVE);
    segment->slates = place(base, &at, sizeof *segment->slates, slots);
    segment->service_labels =
        place(base, &at, sizeof *segment->service_labels, SEGMENT_SERVICES);
    segment->group_labels = place(base, &at, sizeof *segment->group_labels, SEGMENT_GROUPS);
    segment->host_labels = place(base, &at, sizeof *segment->host_labels, SEGMENT_HOSTS);
    segment->remembered = place(base, &at, sizeof *segment->remembered, REMEMBERED_MOST);
    segment->standings = place(base, &at, sizeof *segment->standings, STANDINGS_MOST);
    segment->questions = place(base, &at, sizeof *segment->questions, QUESTIONS_MOST);
    segment->stick = place(base, &at, sizeof *segment->stick, sizes->stick_entries);
    segment->sources =
        place(base, &at, sizeof *segment->sources, sizes->source_entries / SOURCE_WAYS);
    return at;
}

/* Maps segment->fd. Returns 0, or -1 with errno and the segment unchanged. */
static int map(struct segment *segment, const struct segment_sizes *sizes)
{
    struct segment counted;
    size_t bytes = lay_out(&counted, NULL, sizes);
    void *base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, segment->fd, 0);

    if (base == MAP_FAILED)
        return -1;
    /* Both are wishes: a kernel without huge pages refuses the second, and needs it not. */
    (void)madvise(base, bytes, MADV_DONTDUMP);
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    segment->base = base;
    segment->bytes = bytes;
    lay_out(segment, base, sizes);
    return 0;
}

/* Whole buckets, so that a key's places lie behind one another. */
static struct segment_sizes whole_sizes(const struct segment_sizes *asked)
{
    struct segment_sizes sizes = asked != NULL ? *asked : (struct segment_sizes){0};

    if (sizes.stick_entries == 0)
        sizes.stick_entries = STICK_DEFAULT;
    if (sizes.source_entries == 0)
        sizes.source_entries = SOURCE_DEFAULT;
    sizes.stick_entries = (sizes.stick_entries + STICK_WAYS - 1) / STICK_WAYS * STICK_WAYS;
    sizes.source_entries = (sizes.source_entries + SOURCE_WAYS - 1) / SOURCE_WAYS * SOURCE_WAYS;
    return sizes;
}

int segment_create(struct segment *segment, const struct segment_sizes *asked)
{
    const struct segment_sizes sizes = whole_sizes(asked);
    struct random random;
    struct segment made = {.fd = memfd_create("gaidaros", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    size_t bytes = lay_out(&made, NULL, &sizes);

    if (made.fd < 0)
        return -1;
    if (sizes.stick_entries > SEGMENT_ENTRIES_MOST ||
        sizes.source_entries > SEGMENT_ENTRIES_MOST) {
        errno = EINVAL;
        goto fail;
    }
    /* Sealed: nobody who holds the descriptor can take the memory from under the others. */
    if (ftruncate(made.fd, (off_t)bytes) != 0 ||
        fcntl(made.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        map(&made, &sizes) != 0)
        goto fail;
    random_init(&random, 0);
    made.daemon->sizes = sizes;
    made.daemon->secret = (struct hash_key){{random_next(&random), random_next(&random)}};
    if (tickets_rotate(&made.daemon->tickets, NULL, clock_now_ns()) != 0) {
        segment_fini(&made);
        return -1;
    }
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

static bool is_size(uint64_t entries, uint64_t ways)
{
    return entries > 0 && entries <= SEGMENT_ENTRIES_MOST && entries % ways == 0;
}

/* The sizes of a segment of this layout; -1 when it is none. */
static int read_sizes(int fd, struct segment_sizes *sizes)
{
    struct {
        uint32_t magic, version;
        struct segment_sizes sizes;
    } head;

    _Static_assert(offsetof(struct daemon_row, sizes) == 8, "as the head above");
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        head.magic != SEGMENT_MAGIC || head.version != SEGMENT_VERSION ||
        !is_size(head.sizes.stick_entries, STICK_WAYS) ||
        !is_size(head.sizes.source_entries, SOURCE_WAYS))
        return -1;
    *sizes = head.sizes;
    return 0;
}

int segment_attach(struct segment *segment, int fd)
{
    struct segment found = {.fd = fd};
    struct segment_sizes sizes;
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -1;
    if (read_sizes(fd, &sizes) != 0 ||
        (uint64_t)status.st_size != lay_out(&found, NULL, &sizes)) {
        errno = EPROTO;
        return -1;
    }
    if (map(&found, &sizes) != 0)
        return -1;
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

bool segment_find_used(const struct segment *segment, const void *table, size_t bytes,
                       size_t *from, size_t *end)
{
    off_t start = (const unsigned char *)table - (const unsigned char *)segment->base;
    off_t last = start + (off_t)bytes;
    off_t data = lseek(segment->fd, start + (off_t)*from, SEEK_DATA);

    if (*from >= bytes || data < 0 || data >= last)
        return false;
    off_t hole = lseek(segment->fd, data, SEEK_HOLE);
    *from = (size_t)(data - start);
    *end = hole < 0 || hole > last ? bytes : (size_t)(hole - start);
    return true;
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
