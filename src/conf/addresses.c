/* SPDX-License-Identifier: MIT */
/* What names of hosts are known to mean: plain data that the resolver finds and every configuration is built with. */
#include "conf/addresses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/*
 * Encoded: a head, then for each name its length, its bytes, the number of its addresses and these.
 * All numbers are the machine's own: it never leaves it.
 */
#define ADDRESSES_MAGIC "gd-names"
#define ADDRESSES_MOST_BYTES (INT64_C(1) << 28)
#define LOOKUP_MOST 260 /* "srv:" and a name of 255 bytes, with something to spare */
#define WEIGHT_MOST 256

struct head {
    char magic[8];
    uint64_t bytes, n; /* of all, head included; names */
};

struct wire_address {
    uint32_t family, weight, scope;
    uint16_t port, zero;
    unsigned char ip[16];
};

/* ---- the set ---- */

static int compare_addresses(const void *left, const void *right)
{
    const struct address *a = left, *b = right;
    if (a->at.any.sa_family != b->at.any.sa_family)
        return a->at.any.sa_family < b->at.any.sa_family ? -1 : 1;
    int order =
        a->at.any.sa_family == AF_INET
            ? memcmp(&a->at.in.sin_addr, &b->at.in.sin_addr, sizeof(struct in_addr))
            : memcmp(&a->at.in6.sin6_addr, &b->at.in6.sin6_addr, sizeof(struct in6_addr));
    if (order != 0)
        return order;
    if (addr_port(&a->at) != addr_port(&b->at))
        return addr_port(&a->at) < addr_port(&b->at) ? -1 : 1;
    if (a->at.any.sa_family == AF_INET6 && a->at.in6.sin6_scope_id != b->at.in6.sin6_scope_id)
        return a->at.in6.sin6_scope_id < b->at.in6.sin6_scope_id ? -1 : 1;
    return 0;
}

/* Where the name is, or would be. */
static size_t place_of(const struct addresses *addresses, const char *lookup, bool *is_there)
{
    size_t low = 0, high = addresses->n;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(addresses->entries[middle].lookup, lookup);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_same(const struct address_entry *entry, const struct address *sorted, size_t n)
{
    if (entry->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!addr_is_equal(&entry->addresses[i].at, &sorted[i].at) ||
            entry->addresses[i].weight != sorted[i].weight)
            return false;
    return true;
}

static int forget(struct addresses *addresses, size_t place)
{
    struct address_entry *entry = &addresses->entries[place];
    free((void *)(uintptr_t)entry->lookup);
    free(entry->addresses);
    addresses->n--;
    memmove(entry, entry + 1, (addresses->n - place) * sizeof *entry);
    return 1;
}

/* A sorted copy without double ones; *n becomes how many these are. */
static struct address *sort(const struct address *found, size_t *n)
{
    struct address *sorted = malloc(*n * sizeof *sorted);
    if (sorted == NULL)
        return NULL;
    memcpy(sorted, found, *n * sizeof *sorted);
    qsort(sorted, *n, sizeof *sorted, compare_addresses);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (kept > 0 && addr_is_equal(&sorted[kept - 1].at, &sorted[i].at))
            continue;
        sorted[kept++] = sorted[i];
    }
    *n = kept < ADDRESSES_A_NAME ? kept : ADDRESSES_A_NAME;
    return sorted;
}

static int insert(struct addresses *addresses, size_t place, const char *lookup)
{
    struct address_entry *grown =
        realloc(addresses->entries, (addresses->n + 1) * sizeof *grown);
    if (grown == NULL)
        return -1;
    addresses->entries = grown;
    char *copy = strdup(lookup);
    if (copy == NULL)
        return -1;
    memmove(grown + place + 1, grown + place, (addresses->n - place) * sizeof *grown);
    grown[place] = (struct address_entry){.lookup = copy};
    addresses->n++;
    return 0;
}

int addresses_set(struct addresses *addresses, const char *lookup, const struct address *found,
                  size_t n)
{
    bool is_there;
    size_t place = place_of(addresses, lookup, &is_there);
    if (n == 0)
        return is_there ? forget(addresses, place) : 0;
    struct address *sorted = sort(found, &n);
    if (sorted == NULL)
        return -1;
    if (is_there && is_same(&addresses->entries[place], sorted, n)) {
        free(sorted);
        return 0;
    }
    if (!is_there && insert(addresses, place, lookup) != 0) {
        free(sorted);
        errno = ENOMEM;
        return -1;
    }
    free(addresses->entries[place].addresses);
    addresses->entries[place].addresses = sorted;
    addresses->entries[place].n = n;
    return 1;
}

const struct address_entry *addresses_find(const struct addresses *addresses,
                                           const char *lookup)
{
    bool is_there;
    size_t place = place_of(addresses, lookup, &is_there);
    return is_there ? &addresses->entries[place] : NULL;
}

int addresses_copy(struct addresses *out, const struct addresses *from)
{
    *out = (struct addresses){0};
    for (size_t i = 0; i < from->n; i++) {
        const struct address_entry *entry = &from->entries[i];
        if (addresses_set(out, entry->lookup, entry->addresses, entry->n) < 0) {
            addresses_fini(out);
            errno = ENOMEM;
            return -1;
        }
    }
    return 0;
}

void addresses_fini(struct addresses *addresses)
{
    while (addresses->n > 0)
        forget(addresses, addresses->n - 1);
    free(addresses->entries);
    *addresses = (struct addresses){0};
}

/* ---- encoding ---- */

static void encode_address(struct text *out, const struct address *address)
{
    struct wire_address wire = {.family = address->at.any.sa_family,
                                .weight = address->weight,
                                .port = addr_port(&address->at)};
    if (wire.family == AF_INET) {
        memcpy(wire.ip, &address->at.in.sin_addr, sizeof address->at.in.sin_addr);
    } else {
        memcpy(wire.ip, &address->at.in6.sin6_addr, sizeof address->at.in6.sin6_addr);
        wire.scope = address->at.in6.sin6_scope_id;
    }
    text_append(out, &wire, sizeof wire);
}

static int seal(const struct text *bytes)
{
    int fd = memfd_create("gaidaros addresses", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    for (size_t at = 0; at < bytes->length;) {
        ssize_t written = write(fd, bytes->at + at, bytes->length - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            goto fail;
        at += (size_t)written;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
fail:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int addresses_encode(const struct addresses *addresses)
{
    struct text out = {0};
    struct head head = {.magic = ADDRESSES_MAGIC, .n = addresses->n};
    text_append(&out, &head, sizeof head);
    for (size_t i = 0; i < addresses->n; i++) {
        const struct address_entry *entry = &addresses->entries[i];
        uint32_t length = (uint32_t)strlen(entry->lookup), n = (uint32_t)entry->n;
        text_append(&out, &length, sizeof length);
        text_append(&out, entry->lookup, length);
        text_append(&out, &n, sizeof n);
        for (size_t k = 0; k < entry->n; k++)
            encode_address(&out, &entry->addresses[k]);
    }
    int fd = -1, error = ENOMEM;
    if (!out.failed) {
        head.bytes = out.length;
        memcpy(out.at, &head, sizeof head);
        fd = seal(&out);
        error = errno;
    }
    text_fini(&out);
    errno = error;
    return fd;
}

/* ---- decoding: every step looks at what is left first ---- */

struct decoder {
    const char *at, *end;
    bool is_short_of_memory;
};

static bool decode_bytes(struct decoder *decoder, void *out, size_t length)
{
    if ((size_t)(decoder->end - decoder->at) < length)
        return false;
    memcpy(out, decoder->at, length);
    decoder->at += length;
    return true;
}

static bool decode_address(struct decoder *decoder, bool is_service, struct address *out)
{
    struct wire_address wire;
    if (!decode_bytes(decoder, &wire, sizeof wire) || wire.weight < 1 ||
        wire.weight > WEIGHT_MOST || wire.zero != 0 || is_service != (wire.port != 0))
        return false;
    *out = (struct address){.weight = wire.weight};
    if (wire.family == AF_INET) {
        out->at.in.sin_family = AF_INET;
        out->at.in.sin_port = htons(wire.port);
        memcpy(&out->at.in.sin_addr, wire.ip, sizeof out->at.in.sin_addr);
        out->at.length = sizeof out->at.in;
    } else if (wire.family == AF_INET6) {
        out->at.in6.sin6_family = AF_INET6;
        out->at.in6.sin6_port = htons(wire.port);
        out->at.in6.sin6_scope_id = wire.scope;
        memcpy(&out->at.in6.sin6_addr, wire.ip, sizeof out->at.in6.sin6_addr);
        out->at.length = sizeof out->at.in6;
    } else {
        return false;
    }
    return addr_is_one_host(&out->at);
}

static bool is_name(const char *lookup)
{
    return lookup[0] != '\0' && strspn(lookup, "abcdefghijklmnopqrstuvwxyz"
                                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                               "0123456789-_.:") == strlen(lookup);
}

static bool decode_entry(struct decoder *decoder, struct addresses *out)
{
    static const char service[] = "srv:";
    char lookup[LOOKUP_MOST + 1] = "";
    uint32_t length, n;
    struct address found[ADDRESSES_A_NAME];
    if (!decode_bytes(decoder, &length, sizeof length) || length > LOOKUP_MOST ||
        !decode_bytes(decoder, lookup, length) || strlen(lookup) != length ||
        !is_name(lookup) || !decode_bytes(decoder, &n, sizeof n) || n == 0 ||
        n > ADDRESSES_A_NAME)
        return false;
    bool is_service = strncmp(lookup, service, sizeof service - 1) == 0;
    for (uint32_t i = 0; i < n; i++)
        if (!decode_address(decoder, is_service, &found[i]))
            return false;
    if (addresses_find(out, lookup) != NULL)
        return false;
    decoder->is_short_of_memory = addresses_set(out, lookup, found, n) < 0;
    return !decoder->is_short_of_memory;
}

static bool decode_all(struct decoder *decoder, struct addresses *out)
{
    struct head head;
    size_t length = (size_t)(decoder->end - decoder->at);
    if (!decode_bytes(decoder, &head, sizeof head) ||
        memcmp(head.magic, ADDRESSES_MAGIC, sizeof head.magic) != 0 || head.bytes != length)
        return false;
    for (uint64_t i = 0; i < head.n; i++)
        if (!decode_entry(decoder, out))
            return false;
    return decoder->at == decoder->end;
}

int addresses_decode(int fd, struct addresses *out)
{
    struct stat status;
    *out = (struct addresses){0};
    int seals = fcntl(fd, F_GET_SEALS);
    int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
    /* Without the seals the sender could change or cut it while we read. */
    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &status) != 0 ||
        status.st_size < (off_t)sizeof(struct head) || status.st_size > ADDRESSES_MOST_BYTES) {
        errno = EPROTO;
        return -1;
    }
    size_t length = (size_t)status.st_size;
    char *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        errno = ENOMEM;
        return -1;
    }
    struct decoder decoder = {.at = bytes, .end = bytes + length};
    bool is_fine = decode_all(&decoder, out);
    munmap(bytes, length);
    if (is_fine)
        return 0;
    addresses_fini(out);
    errno = decoder.is_short_of_memory ? ENOMEM : EPROTO;
    return -1;
}
