/* SPDX-License-Identifier: MIT */
/* What names of hosts are known to mean: plain data that the resolver finds and every configuration is built with. */
#include "conf/addresses.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conf/sealed.h"

/*
 * Encoded, it is a magic number, the number of entries, and for each entry its name, the number
 * of its addresses, and these as family (4 or 6), port, weight, scope and bytes. A string is a
 * 32-bit length and its bytes. Entries and addresses ascend, so that one set has one encoding.
 * All numbers are the machine's own: it never leaves it.
 */
#define ADDRESSES_MAGIC 0x67616931U
#define ADDRESSES_MOST_BYTES ((size_t)64 << 20)
#define NAME_MOST 260 /* "srv:" and a name with its final dot */
#define WEIGHT_MOST 256
#define SRV_PREFIX "srv:"

static bool is_srv(const char *lookup)
{
    return strncmp(lookup, SRV_PREFIX, strlen(SRV_PREFIX)) == 0;
}

/* ---- order ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* By family, IP address, scope and port: what tells two addresses of a name apart. */
static int compare_places(const struct address *a, const struct address *b)
{
    bool is_v4 = a->at.any.sa_family == AF_INET;
    if (a->at.any.sa_family != b->at.any.sa_family)
        return is_v4 ? -1 : 1;
    int order =
        is_v4 ? memcmp(&a->at.in.sin_addr, &b->at.in.sin_addr, sizeof(struct in_addr))
              : memcmp(&a->at.in6.sin6_addr, &b->at.in6.sin6_addr, sizeof(struct in6_addr));
    if (order == 0 && !is_v4)
        order = compare_numbers(a->at.in6.sin6_scope_id, b->at.in6.sin6_scope_id);
    return order != 0 ? order : compare_numbers(addr_port(&a->at), addr_port(&b->at));
}

/* Of equal places the heavier comes first, and is the one that stays. */
static int compare_addresses(const void *left, const void *right)
{
    const struct address *a = left, *b = right;
    int order = compare_places(a, b);
    return order != 0 ? order : compare_numbers(b->weight, a->weight);
}

/* Where the name stands, or would have to. */
static size_t find_place(const struct addresses *addresses, const char *lookup, bool *is_there)
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

const struct address_entry *addresses_find(const struct addresses *addresses,
                                           const char *lookup)
{
    bool is_there;
    size_t at = find_place(addresses, lookup, &is_there);
    return is_there ? &addresses->entries[at] : NULL;
}

/* ---- one entry ---- */

static void entry_fini(struct address_entry *entry)
{
    free(entry->lookup);
    free(entry->addresses);
    *entry = (struct address_entry){0};
}

/* 0 or -1 with errno ENOMEM. */
static int entry_init(struct address_entry *entry, const char *lookup,
                      const struct address *found, size_t n)
{
    *entry = (struct address_entry){
        .lookup = strdup(lookup), .addresses = calloc(n + 1, sizeof *entry->addresses), .n = n};
    if (entry->lookup == NULL || entry->addresses == NULL) {
        entry_fini(entry);
        errno = ENOMEM;
        return -1;
    }
    if (n > 0)
        memcpy(entry->addresses, found, n * sizeof *found);
    return 0;
}

/* As the header says; an address in full, without what a sockaddr has besides. */
static struct address make_clean(const struct address *found, bool of_srv)
{
    struct address clean = {.at = found->at, .weight = 1};
    addr_unmap(&clean.at);
    if (of_srv)
        clean.weight = found->weight < 1             ? 1
                       : found->weight > WEIGHT_MOST ? WEIGHT_MOST
                                                     : found->weight;
    else if (clean.at.any.sa_family == AF_INET)
        clean.at.in.sin_port = 0;
    else if (clean.at.any.sa_family == AF_INET6)
        clean.at.in6.sin6_port = 0;
    return clean;
}

/* Sorts what is usable to the front of the entry and forgets the rest. */
static void entry_tidy(struct address_entry *entry)
{
    size_t n = 0;
    bool of_srv = is_srv(entry->lookup);
    for (size_t i = 0; i < entry->n; i++) {
        struct address clean = make_clean(&entry->addresses[i], of_srv);
        if (addr_is_one_host(&clean.at) && (!of_srv || addr_port(&clean.at) != 0))
            entry->addresses[n++] = clean;
    }
    qsort(entry->addresses, n, sizeof *entry->addresses, compare_addresses);
    entry->n = 0;
    for (size_t i = 0; i < n && entry->n < ADDRESSES_A_NAME; i++)
        if (entry->n == 0 ||
            compare_places(&entry->addresses[entry->n - 1], &entry->addresses[i]) != 0)
            entry->addresses[entry->n++] = entry->addresses[i];
}

static bool is_same(const struct address_entry *a, const struct address_entry *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (compare_addresses(&a->addresses[i], &b->addresses[i]) != 0)
            return false;
    return true;
}

/* Puts the entry, which is the set's from then on, at its place. 0 or -1 with errno ENOMEM. */
static int insert(struct addresses *addresses, size_t at, const struct address_entry *entry)
{
    struct address_entry *grown =
        reallocarray(addresses->entries, addresses->n + 1, sizeof *grown);
    if (grown == NULL)
        return -1;
    memmove(grown + at + 1, grown + at, (addresses->n - at) * sizeof *grown);
    grown[at] = *entry;
    addresses->entries = grown;
    addresses->n++;
    return 0;
}

int addresses_set(struct addresses *addresses, const char *lookup, const struct address *found,
                  size_t n)
{
    bool is_there;
    size_t at = find_place(addresses, lookup, &is_there);
    struct address_entry entry;
    if (entry_init(&entry, lookup, found, n) != 0)
        return -1;
    entry_tidy(&entry);
    struct address_entry *known = is_there ? &addresses->entries[at] : NULL;
    if (known != NULL ? is_same(known, &entry) : entry.n == 0) {
        entry_fini(&entry);
        return 0;
    }
    if (entry.n == 0) {
        assert(known != NULL);
        entry_fini(&entry);
        entry_fini(known);
        addresses->n--;
        memmove(known, known + 1, (addresses->n - at) * sizeof *known);
        return 1;
    }
    if (known != NULL) {
        entry_fini(known);
        *known = entry;
        return 1;
    }
    if (insert(addresses, at, &entry) != 0) {
        entry_fini(&entry);
        return -1;
    }
    return 1;
}

int addresses_copy(struct addresses *out, const struct addresses *from)
{
    *out = (struct addresses){.entries = calloc(from->n + 1, sizeof *out->entries)};
    if (out->entries == NULL)
        return -1;
    for (; out->n < from->n; out->n++) {
        const struct address_entry *entry = &from->entries[out->n];
        if (entry_init(&out->entries[out->n], entry->lookup, entry->addresses, entry->n) != 0) {
            addresses_fini(out);
            errno = ENOMEM;
            return -1;
        }
    }
    return 0;
}

void addresses_fini(struct addresses *addresses)
{
    for (size_t i = 0; i < addresses->n; i++)
        entry_fini(&addresses->entries[i]);
    free(addresses->entries);
    *addresses = (struct addresses){0};
}

/* ---- to bytes ---- */

static void add_u32(struct text *out, uint32_t number)
{
    text_append(out, &number, sizeof number);
}

static void add_address(struct text *out, const struct address *address)
{
    bool is_v4 = address->at.any.sa_family == AF_INET;
    add_u32(out, is_v4 ? 4 : 6);
    add_u32(out, addr_port(&address->at));
    add_u32(out, address->weight);
    add_u32(out, is_v4 ? 0 : address->at.in6.sin6_scope_id);
    if (is_v4)
        text_append(out, &address->at.in.sin_addr, sizeof(struct in_addr));
    else
        text_append(out, &address->at.in6.sin6_addr, sizeof(struct in6_addr));
}

void addresses_add(struct text *out, const struct addresses *addresses)
{
    add_u32(out, ADDRESSES_MAGIC);
    add_u32(out, (uint32_t)addresses->n);
    for (size_t i = 0; i < addresses->n; i++) {
        const struct address_entry *entry = &addresses->entries[i];
        size_t length = strlen(entry->lookup);
        add_u32(out, (uint32_t)length);
        text_append(out, entry->lookup, length);
        add_u32(out, (uint32_t)entry->n);
        for (size_t k = 0; k < entry->n; k++)
            add_address(out, &entry->addresses[k]);
    }
}

int addresses_encode(const struct addresses *addresses)
{
    struct text out = {0};
    int fd = -1, error = ENOMEM;
    addresses_add(&out, addresses);
    if (!out.failed) {
        fd = sealed_make("gaidaros addresses", out.at, out.length);
        error = errno;
    }
    text_fini(&out);
    errno = error;
    return fd;
}

/* ---- from bytes: every step looks at what is left first ---- */

static bool take_bytes(const char **at, const char *end, void *out, size_t length)
{
    if ((size_t)(end - *at) < length)
        return false;
    memcpy(out, *at, length);
    *at += length;
    return true;
}

static bool take_u32(const char **at, const char *end, uint32_t *number)
{
    return take_bytes(at, end, number, sizeof *number);
}

/* A name as a host line could have it, in lower case. */
static bool is_lookup(const char *lookup)
{
    char text[NAME_MOST + sizeof ":1"];
    struct addr_spec spec;
    const char *why;
    for (const char *c = lookup; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            return false;
    size_t length = strlen(lookup);
    memcpy(text, lookup, length);
    memcpy(text + length, is_srv(lookup) ? "" : ":1", is_srv(lookup) ? 1 : sizeof ":1");
    return addr_parse(text, &spec, &why) == 0 &&
           spec.kind == (is_srv(lookup) ? ADDR_SRV : ADDR_NAME);
}

static bool take_lookup(const char **at, const char *end, char lookup[NAME_MOST + 1])
{
    uint32_t length;
    if (!take_u32(at, end, &length) || length > NAME_MOST ||
        !take_bytes(at, end, lookup, length))
        return false;
    lookup[length] = '\0';
    return strlen(lookup) == length && is_lookup(lookup);
}

static bool take_address(const char **at, const char *end, bool of_srv, struct address *out)
{
    uint32_t family, port, weight, scope;
    *out = (struct address){0};
    if (!take_u32(at, end, &family) || (family != 4 && family != 6) ||
        !take_u32(at, end, &port) || port > UINT16_MAX || (port != 0) != of_srv ||
        !take_u32(at, end, &weight) || weight < 1 || weight > (of_srv ? WEIGHT_MOST : 1) ||
        !take_u32(at, end, &scope) || (family == 4 && scope != 0))
        return false;
    out->weight = weight;
    if (family == 4) {
        out->at.length = sizeof out->at.in;
        out->at.in.sin_family = AF_INET;
        out->at.in.sin_port = htons((uint16_t)port);
        return take_bytes(at, end, &out->at.in.sin_addr, sizeof out->at.in.sin_addr) &&
               addr_is_one_host(&out->at);
    }
    out->at.length = sizeof out->at.in6;
    out->at.in6.sin6_family = AF_INET6;
    out->at.in6.sin6_port = htons((uint16_t)port);
    out->at.in6.sin6_scope_id = scope;
    return take_bytes(at, end, &out->at.in6.sin6_addr, sizeof out->at.in6.sin6_addr) &&
           addr_is_one_host(&out->at);
}

/* One entry at the end of out, behind those that are there. 0, or -1 with errno. */
static int take_entry(const char **at, const char *end, struct addresses *out)
{
    char lookup[NAME_MOST + 1];
    struct address found[ADDRESSES_A_NAME];
    struct address_entry entry;
    uint32_t n;
    errno = EPROTO;
    if (!take_lookup(at, end, lookup) || !take_u32(at, end, &n) || n < 1 ||
        n > ADDRESSES_A_NAME ||
        (out->n > 0 && strcmp(out->entries[out->n - 1].lookup, lookup) >= 0))
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (!take_address(at, end, is_srv(lookup), &found[i]) ||
            (i > 0 && compare_places(&found[i - 1], &found[i]) >= 0))
            return -1;
    if (entry_init(&entry, lookup, found, n) != 0)
        return -1;
    if (insert(out, out->n, &entry) != 0) {
        entry_fini(&entry);
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

int addresses_take(const char **at, const char *end, struct addresses *out)
{
    uint32_t magic, n;
    *out = (struct addresses){0};
    errno = EPROTO;
    if (!take_u32(at, end, &magic) || magic != ADDRESSES_MAGIC || !take_u32(at, end, &n))
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (take_entry(at, end, out) != 0) {
            int error = errno;
            addresses_fini(out);
            errno = error;
            return -1;
        }
    }
    return 0;
}

int addresses_decode(int fd, struct addresses *out)
{
    size_t length;
    *out = (struct addresses){0};
    char *bytes = sealed_read(fd, 0, ADDRESSES_MOST_BYTES, &length);
    if (bytes == NULL) {
        errno = errno == ENOMEM ? ENOMEM : EPROTO;
        return -1;
    }
    const char *at = bytes;
    int result = addresses_take(&at, bytes + length, out);
    int error = errno;
    if (result == 0 && at != bytes + length) {
        addresses_fini(out);
        result = -1;
        error = EPROTO;
    }
    free(bytes);
    errno = error;
    return result;
}
