/* SPDX-License-Identifier: MIT */
/* The certificates of a service, found by the name that a client asks for. */
#include "tls/shown.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/*
 * Names stand sorted in one table, those of the same name in the order of their certificates. Sources:
 * RFC 6066, section 3 (what a client asks for), RFC 6125, section 6.4 (what a name in a certificate means;
 * a wildcard stands for the whole of the first label).
 */

enum { NAME_BYTES = 256, KINDS_MOST = 4 };

struct entry {
    char *name; /* in lower case, without a dot at the end; owned */
    size_t index;
};

struct shown {
    struct tls_shown *all;
    size_t n, room;
    struct entry *entries;
    size_t n_entries, entries_room;
    bool failed;       /* memory was out while names were added */
    bool has_slow_key; /* see shown_is_quick */
};

struct shown *shown_new(void)
{
    return calloc(1, sizeof(struct shown));
}

void shown_free(struct shown *shown)
{
    if (shown == NULL)
        return;
    for (size_t i = 0; i < shown->n; i++)
        tls_shown_fini(&shown->all[i]);
    for (size_t i = 0; i < shown->n_entries; i++)
        free(shown->entries[i].name);
    free(shown->entries);
    free(shown->all);
    free(shown);
}

/* Room for one more; NULL when memory is out. */
static void *grow(void *array, size_t n, size_t *room, size_t bytes)
{
    if (n < *room)
        return array;
    size_t wanted = *room > 0 ? 2 * *room : 4;
    void *grown = reallocarray(array, wanted, bytes);
    if (grown != NULL)
        *room = wanted;
    return grown;
}

/* In lower case and without a dot at the end; false for what is no name. */
static bool make_plain(const char *name, size_t length, char plain[NAME_BYTES])
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length >= NAME_BYTES || memchr(name, '\0', length) != NULL)
        return false;
    for (size_t i = 0; i < length; i++)
        plain[i] = (char)tolower((unsigned char)name[i]);
    plain[length] = '\0';
    return true;
}

static void add_name(struct shown *shown, const ASN1_STRING *text, size_t index)
{
    char plain[NAME_BYTES];
    if (!make_plain((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text),
                    plain))
        return;
    struct entry *grown =
        grow(shown->entries, shown->n_entries, &shown->entries_room, sizeof *shown->entries);
    char *name = strdup(plain);
    if (grown != NULL)
        shown->entries = grown;
    if (grown == NULL || name == NULL) {
        free(name);
        shown->failed = true;
        return;
    }
    shown->entries[shown->n_entries++] = (struct entry){.name = name, .index = index};
}

/* The DNS names that it is for; of one without any the common name. */
static void add_names(struct shown *shown, X509 *certificate, size_t index)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool has_name = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        has_name = true;
        add_name(shown, name->d.dNSName, index);
    }
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (!has_name && at >= 0)
        add_name(shown, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), index);
}

static bool is_quick(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return EVP_PKEY_get_bits(key) <= 2048;
    case EVP_PKEY_EC:
        return EVP_PKEY_get_bits(key) <= 256;
    case EVP_PKEY_ED25519:
        return true;
    default:
        return false;
    }
}

bool shown_add(struct shown *shown, const struct tls_pair *pair, char reason[TLS_REASON_BYTES])
{
    struct tls_shown *grown = grow(shown->all, shown->n, &shown->room, sizeof *shown->all);
    if (grown == NULL) {
        snprintf(reason, TLS_REASON_BYTES, "out of memory");
        return false;
    }
    shown->all = grown;
    if (!tls_pair_load(pair, &shown->all[shown->n], reason))
        return false;
    add_names(shown, shown->all[shown->n].certificate, shown->n);
    shown->has_slow_key |= !is_quick(shown->all[shown->n].key);
    shown->n++;
    return true;
}

bool shown_is_quick(const struct shown *shown)
{
    return !shown->has_slow_key;
}

static int compare(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->index < right->index ? -1 : left->index > right->index;
}

bool shown_settle(struct shown *shown)
{
    if (shown->failed)
        return false;
    qsort(shown->entries, shown->n_entries, sizeof *shown->entries, compare);
    return true;
}

/* The first entry of this very name; n_entries: there is none. */
static size_t find_name(const struct shown *shown, const char *name)
{
    size_t low = 0, high = shown->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(shown->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_found = low < shown->n_entries && strcmp(shown->entries[low].name, name) == 0;
    return is_found ? low : shown->n_entries;
}

/* The first entry that a client means which asks for name; n_entries: it gets the default. */
static size_t find_meant(const struct shown *shown, const char *name)
{
    char plain[NAME_BYTES], parent[NAME_BYTES];
    if (name == NULL || !make_plain(name, strlen(name), plain))
        return shown->n_entries;
    size_t at = find_name(shown, plain);
    const char *dot = strchr(plain, '.');
    if (at < shown->n_entries || dot == NULL)
        return at;
    int length = snprintf(parent, sizeof parent, "*%s", dot);
    return length < (int)sizeof parent ? find_name(shown, parent) : shown->n_entries;
}

size_t shown_find(const struct shown *shown, const char *name)
{
    size_t at = find_meant(shown, name);
    return at < shown->n_entries ? shown->entries[at].index : 0;
}

int64_t shown_expires(const struct shown *shown, size_t index)
{
    return shown->all[index].expires_s;
}

/* Which kind of key it has: of one kind only one certificate can be shown at a time. */
static bool is_same_kind(const struct tls_shown *a, const struct tls_shown *b)
{
    return EVP_PKEY_get_base_id(a->key) == EVP_PKEY_get_base_id(b->key);
}

/*
 * Walks those that are shown together with the one at an entry: of each kind of key the first.
 * previous  SIZE_MAX to begin
 * Returns the next one's index, SIZE_MAX: that was all.
 */
static size_t next_of(const struct shown *shown, size_t first, size_t *at)
{
    const char *name = shown->entries[first].name;
    for (; *at < shown->n_entries && strcmp(shown->entries[*at].name, name) == 0; (*at)++) {
        size_t index = shown->entries[*at].index;
        bool is_first = true;
        for (size_t k = first; k < *at && is_first; k++)
            is_first = !is_same_kind(&shown->all[shown->entries[k].index], &shown->all[index]);
        if (is_first) {
            (*at)++;
            return index;
        }
    }
    return SIZE_MAX;
}

/* Whether the index-th one has this name. */
static bool is_shared(const struct shown *shown, const char *name, size_t index)
{
    for (size_t at = find_name(shown, name);
         at < shown->n_entries && strcmp(shown->entries[at].name, name) == 0; at++)
        if (shown->entries[at].index == index)
            return true;
    return false;
}

static bool use_in_context(SSL_CTX *context, const struct tls_shown *one)
{
    return SSL_CTX_use_cert_and_key(context, one->certificate, one->key, one->chain, 1) == 1;
}

/* The default, and of each other kind of key the first that shares a name with it. */
static bool begin(const struct shown *shown, SSL_CTX *context)
{
    size_t used[KINDS_MOST] = {0}, n_used = 1;
    if (!use_in_context(context, &shown->all[0]))
        return false;
    for (size_t i = 0; i < shown->n_entries; i++) {
        const struct entry *entry = &shown->entries[i];
        if (!is_shared(shown, entry->name, 0))
            continue;
        bool is_new = n_used < KINDS_MOST;
        for (size_t k = 0; k < n_used && is_new; k++)
            is_new = !is_same_kind(&shown->all[used[k]], &shown->all[entry->index]);
        if (!is_new)
            continue;
        used[n_used++] = entry->index;
        if (!use_in_context(context, &shown->all[entry->index]))
            return false;
    }
    return true;
}

bool shown_begin(const struct shown *shown, SSL_CTX *context, char reason[TLS_REASON_BYTES])
{
    if (begin(shown, context))
        return true;
    const char *words = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(reason, TLS_REASON_BYTES, "OpenSSL refuses it: %s",
             words != NULL ? words : "no reason is given");
    ERR_clear_error();
    return false;
}

bool shown_has_choice(const struct shown *shown)
{
    return shown->n > 1;
}

bool shown_pick(const struct shown *shown, SSL *ssl)
{
    size_t first = find_meant(shown, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    size_t at = first, index;
    if (first == shown->n_entries)
        return true;
    SSL_certs_clear(ssl);
    while ((index = next_of(shown, first, &at)) != SIZE_MAX) {
        const struct tls_shown *one = &shown->all[index];
        if (SSL_use_cert_and_key(ssl, one->certificate, one->key, one->chain, 1) != 1)
            return false;
    }
    return true;
}
