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
 *
 * A process may be killed at any instruction, so nothing is a lock. What a worker holds is written
 * down twice: in its own shard, and in a total over all workers, which is raised before the shard
 * and lowered after it. segment_settle takes a dead worker's shards off the totals; a kill between
 * the two leaves a total too high by one, which no single look can tell from a claim that is
 * being made just now: the audit looks ten times and believes what it saw each time.
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

/* Zeroes a worker's part of the live table by giving its pages back. */
static void settle_live(struct segment *segment, uint32_t slot)
{
    unsigned char *first = (unsigned char *)live_row(segment, slot, 0);
    off_t offset = first - (unsigned char *)segment->base;
    off_t length = (off_t)(SEGMENT_LIVE * sizeof(struct live_row));

    if (fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0)
        return;
    for (uint32_t n = 0; n < SEGMENT_LIVE; n++)
        atomic_store(&live_row(segment, slot, n)->id, 0);
}

void segment_settle(struct segment *segment, uint32_t slot)
{
    const struct daemon_row *daemon = segment->daemon;

    for (uint32_t host = 0; host < atomic_load(&daemon->hosts_used); host++) {
        int64_t held = atomic_exchange(&host_shard(segment, slot, host)->in_flight, 0);
        if (held != 0)
            atomic_fetch_sub(&segment->hosts[host].in_flight, held);
    }
    for (uint32_t service = 0; service < atomic_load(&daemon->services_used); service++) {
        struct service_shard *shard = service_shard(segment, slot, service);
        atomic_store(&shard->connections, 0);
        atomic_store(&shard->waiting, 0);
    }
    atomic_store(&segment->slots[slot].connections, 0);
    settle_live(segment, slot);

    /* It may have ejected a host without saying so: the others would go on choosing it. */
    uint32_t ejecting = atomic_exchange(&segment->slots[slot].ejecting, 0);
    if (ejecting > 0 && ejecting <= SEGMENT_GROUPS)
        group_touch(segment, ejecting - 1);
    atomic_fetch_add(&segment->daemon->change, 1);
}

/* The excess of a host's total over its shards; tries to read while nothing moves. */
static int64_t host_excess(const struct segment *segment, uint32_t host)
{
    enum { TRIES = 4 };
    const struct host_row *row = &segment->hosts[host];
    uint32_t n_slots = atomic_load(&segment->daemon->slots_used);
    int64_t excess = 0;

    for (int i = 0; i < TRIES; i++) {
        int64_t before = atomic_load(&row->in_flight);
        int64_t held = 0;
        for (uint32_t slot = 0; slot < n_slots; slot++)
            held += atomic_load(&host_shard(segment, slot, host)->in_flight);
        int64_t after = atomic_load(&row->in_flight);
        excess = (before < after ? before : after) - held;
        if (before == after)
            break;
    }
    return excess;
}

static void note_excess(struct segment_excess *seen, bool is_first, int64_t excess)
{
    if (is_first || excess < seen->least)
        seen->least = excess;
    if (is_first || excess > seen->most)
        seen->most = excess;
}

static int audit_start(const struct segment *segment, struct segment_audit *audit)
{
    *audit = (struct segment_audit){
        .n_hosts = atomic_load(&segment->daemon->hosts_used),
        .n_groups = atomic_load(&segment->daemon->groups_used),
    };
    audit->hosts = calloc((size_t)audit->n_hosts + 1, sizeof *audit->hosts);
    audit->groups = calloc((size_t)audit->n_groups + 1, sizeof *audit->groups);
    audit->counts = calloc((size_t)audit->n_groups + 1, sizeof *audit->counts);
    if (audit->hosts != NULL && audit->groups != NULL && audit->counts != NULL)
        return 0;
    free(audit->hosts);
    free(audit->groups);
    free(audit->counts);
    *audit = (struct segment_audit){0};
    errno = ENOMEM;
    return -1;
}

int segment_audit_look(struct segment *segment, struct segment_audit *audit)
{
    bool is_first = audit->looks == 0;

    if (is_first && audit_start(segment, audit) != 0)
        return -1;
    memset(audit->counts, 0, audit->n_groups * sizeof *audit->counts);
    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        const struct host_row *row = &segment->hosts[host];
        uint32_t group = atomic_load(&row->group);
        note_excess(&audit->hosts[host], is_first, host_excess(segment, host));
        if (group < audit->n_groups && atomic_load(&row->ejected_until_ns) != 0)
            audit->counts[group]++;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t ejected = atomic_load(&segment->groups[group].ejected);
        note_excess(&audit->groups[group], is_first, ejected - audit->counts[group]);
    }
    audit->looks++;
    return 0;
}

/* What every look agreed on: too high by so much, or (negative) too low. */
static int64_t agreed_excess(const struct segment_excess *seen)
{
    if (seen->least > 0)
        return seen->least;
    return seen->most < 0 ? seen->most : 0;
}

void segment_audit_finish(struct segment *segment, struct segment_audit *audit)
{
    bool has_changed = false;

    for (uint32_t host = 0; host < audit->n_hosts; host++) {
        int64_t excess = agreed_excess(&audit->hosts[host]);
        if (excess == 0)
            continue;
        atomic_fetch_sub(&segment->hosts[host].in_flight, excess);
        has_changed = true;
    }
    for (uint32_t group = 0; group < audit->n_groups; group++) {
        int64_t excess = agreed_excess(&audit->groups[group]);
        if (excess != 0)
            atomic_fetch_sub(&segment->groups[group].ejected, (uint32_t)excess);
    }
    if (has_changed)
        atomic_fetch_add(&segment->daemon->change, 1);
    free(audit->hosts);
    free(audit->groups);
    free(audit->counts);
    *audit = (struct segment_audit){0};
}
