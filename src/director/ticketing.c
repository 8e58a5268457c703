/* SPDX-License-Identifier: MIT */
/* Changes the keys of TLS tickets when it is time. */
#include "director/ticketing.h"

#include <string.h>

#include "base/clock.h"

int ticketing_use(struct ticketing *ticketing, const struct model_global *global)
{
    const struct model_file *secret = &global->ticket_secret;
    struct ticketing made = {.rotation_ms = global->ticket_rotation_ms,
                             .has_secret = secret->path[0] != '\0'};

    if (made.has_secret && derive_digest(secret->bytes, secret->length, made.digest) != 0)
        return -1;
    *ticketing = made;
    return 0;
}

static bool is_newest(const struct tickets *tickets, const struct ticket_key *key)
{
    struct ticket_key newest;
    bool is_same =
        tickets_seal(tickets, &newest) && memcmp(newest.name, key->name, sizeof key->name) == 0;

    explicit_bzero(&newest, sizeof newest);
    return is_same;
}

/*
 * The keys of the present span and of the ones before it, as far as they are not there yet: after a
 * start all of them, so that what other nodes have sealed is opened here.
 */
static int follow_secret(const struct ticketing *ticketing, struct tickets *tickets,
                         uint64_t now_ns, uint64_t wall_ns)
{
    uint64_t span_ms = (uint64_t)ticketing->rotation_ms;
    uint64_t span = wall_ns / CLOCK_NS_PER_MS / span_ms;
    struct ticket_key keys[TICKETS_PAST + 1];
    size_t n = 0;
    int result = 0;

    while (n <= TICKETS_PAST && result == 0) {
        result = derive_ticket_key(ticketing->digest, span - n, span_ms, &keys[n]);
        if (result == 0 && is_newest(tickets, &keys[n]))
            break;
        n++;
    }
    while (result == 0 && n-- > 0)
        result = tickets_rotate(tickets, &keys[n], now_ns);
    explicit_bzero(keys, sizeof keys);
    return result;
}

int ticketing_look(const struct ticketing *ticketing, struct tickets *tickets, uint64_t now_ns,
                   uint64_t wall_ns)
{
    uint64_t since_ns = atomic_load(&tickets->changed_ns);
    uint64_t rotation_ns = (uint64_t)ticketing->rotation_ms * CLOCK_NS_PER_MS;

    if (ticketing->rotation_ms == 0)
        return 0;
    if (ticketing->has_secret)
        return follow_secret(ticketing, tickets, now_ns, wall_ns);
    return now_ns - since_ns >= rotation_ns ? tickets_rotate(tickets, NULL, now_ns) : 0;
}
