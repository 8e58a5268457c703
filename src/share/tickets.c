/* SPDX-License-Identifier: MIT */
/* The keys that TLS tickets are sealed with: the same in every worker, changed again and again. */
#include "share/tickets.h"

#include <string.h>
#include <sys/random.h>

int tickets_rotate(struct tickets *tickets, const struct ticket_key *next, uint64_t now_ns)
{
    uint64_t number = atomic_load(&tickets->newest) + 1;
    struct ticket_key made;

    if (next != NULL)
        made = *next;
    else if (getrandom(&made, sizeof made, 0) != (ssize_t)sizeof made)
        return -1;
    tickets->keys[number % TICKETS_RING] = made;
    explicit_bzero(&made, sizeof made);
    atomic_store(&tickets->changed_ns, now_ns);
    atomic_store(&tickets->newest, number);
    /* What no ticket is opened with any more is gone for good: that is what forward secrecy rests on. */
    explicit_bzero(&tickets->keys[(number + 1) % TICKETS_RING], sizeof made);
    return 0;
}

/* False when it was overwritten meanwhile, for which this process must have slept over two changes. */
static bool copy(const struct tickets *tickets, uint64_t number, struct ticket_key *out)
{
    *out = tickets->keys[number % TICKETS_RING];
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&tickets->newest, memory_order_relaxed) <= number + TICKETS_PAST)
        return true;
    explicit_bzero(out, sizeof *out);
    return false;
}

bool tickets_seal(const struct tickets *tickets, struct ticket_key *out)
{
    uint64_t newest;

    while ((newest = atomic_load(&tickets->newest)) != 0)
        if (copy(tickets, newest, out))
            return true;
    return false;
}

bool tickets_open(const struct tickets *tickets, const unsigned char name[16],
                  struct ticket_key *out, bool *is_newest)
{
    uint64_t newest = atomic_load(&tickets->newest);

    for (uint64_t age = 0; age <= TICKETS_PAST && age < newest; age++) {
        if (!copy(tickets, newest - age, out))
            continue;
        if (memcmp(out->name, name, sizeof out->name) == 0) {
            *is_newest = age == 0;
            return true;
        }
    }
    explicit_bzero(out, sizeof *out);
    return false;
}
