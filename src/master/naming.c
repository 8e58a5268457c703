/* SPDX-License-Identifier: MIT */
/* What master knows of names of hosts: told by the director, put into every configuration. */
#include "master/naming.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/store.h"
#include "master/context.h"

enum { SHOWN_MOST = 32 }; /* addresses of a name in its line */

/* Names that configurations ask for, ascending. */
struct wanted {
    const char **at; /* owned; the names are the models' */
    size_t n;
};

static size_t count_hosts(const struct edition *edition)
{
    return edition != NULL ? edition->model->n_hosts : 0;
}

static void add_wanted(struct wanted *wanted, const struct edition *edition)
{
    const struct model *model = edition != NULL ? edition->model : NULL;
    for (size_t i = 0; model != NULL && i < model->n_groups; i++)
        for (size_t k = 0; k < model->groups[i].n_hosts; k++)
            if (model->groups[i].hosts[k].lookup[0] != '\0')
                wanted->at[wanted->n++] = model->groups[i].hosts[k].lookup;
}

static int compare_names(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static int find_wanted(struct wanted *wanted, const struct edition *one,
                       const struct edition *other)
{
    wanted->n = 0;
    wanted->at = calloc(count_hosts(one) + count_hosts(other) + 1, sizeof *wanted->at);
    if (wanted->at == NULL) {
        log_error("out of memory: new addresses of hosts are not used");
        return -1;
    }
    add_wanted(wanted, one);
    add_wanted(wanted, other);
    qsort(wanted->at, wanted->n, sizeof *wanted->at, compare_names);
    return 0;
}

static bool is_wanted(const struct wanted *wanted, const char *lookup)
{
    return bsearch(&lookup, wanted->at, wanted->n, sizeof *wanted->at, compare_names) != NULL;
}

/* "10.0.0.1", with the port where a service record gave one. */
static void print_address(struct text *out, const struct addr *at)
{
    char shown[ADDR_TEXT_BYTES];
    if (addr_port(at) != 0)
        text_add(out, addr_print(shown, at));
    else if (at->any.sa_family == AF_INET)
        text_add(out, inet_ntop(AF_INET, &at->in.sin_addr, shown, sizeof shown));
    else
        text_add(out, inet_ntop(AF_INET6, &at->in6.sin6_addr, shown, sizeof shown));
}

static void log_entry(const struct address_entry *entry)
{
    struct text line = {0};
    for (size_t i = 0; i < entry->n && i < SHOWN_MOST; i++) {
        text_add(&line, " ");
        print_address(&line, &entry->addresses[i].at);
    }
    if (entry->n > SHOWN_MOST)
        text_printf(&line, " and %zu more", entry->n - SHOWN_MOST);
    log_info("name %s:%s", entry->lookup, line.at != NULL ? line.at : "");
    text_fini(&line);
}

/* True when something has changed. */
static bool merge(struct master *master, const struct addresses *told,
                  const struct wanted *wanted)
{
    bool has_changed = false;
    for (size_t i = 0; i < told->n; i++) {
        const struct address_entry *entry = &told->entries[i];
        if (!is_wanted(wanted, entry->lookup))
            continue;
        int result =
            addresses_set(&master->addresses, entry->lookup, entry->addresses, entry->n);
        if (result < 0)
            log_error("out of memory: new addresses of %s are not used", entry->lookup);
        if (result <= 0)
            continue;
        has_changed = true;
        log_entry(entry);
    }
    return has_changed;
}

void naming_take(struct master *master, const struct received *message)
{
    struct addresses told;
    struct wanted wanted;
    const struct rollout *rollout = &master->rollout;
    if (message->n_fds != 1 || addresses_decode(message->fds[0], &told) != 0) {
        log_error("the director sent addresses that are none");
        return;
    }
    bool has_changed = false;
    if (find_wanted(&wanted, rollout->current, rollout->next) == 0) {
        has_changed = merge(master, &told, &wanted);
        free(wanted.at);
    }
    addresses_fini(&told);
    if (has_changed)
        rollout_renew(master);
}

static bool is_same(const struct address_entry *a, const struct address_entry *b)
{
    if (a == NULL || b == NULL || a->n != b->n)
        return a == b;
    for (size_t i = 0; i < a->n; i++)
        if (!addr_is_equal(&a->addresses[i].at, &b->addresses[i].at) ||
            a->addresses[i].weight != b->addresses[i].weight)
            return false;
    return true;
}

bool naming_is_stale(const struct master *master, const struct model *model)
{
    for (size_t i = 0; i < model->n_groups; i++) {
        for (size_t k = 0; k < model->groups[i].n_hosts; k++) {
            const char *lookup = model->groups[i].hosts[k].lookup;
            const struct address_entry *known =
                lookup[0] != '\0' ? addresses_find(&master->addresses, lookup) : NULL;
            if (known != NULL &&
                !is_same(known, addresses_find(&model->store->addresses, lookup)))
                return true;
        }
    }
    return false;
}

void naming_forget_unwanted(struct master *master)
{
    struct wanted wanted;
    if (master->addresses.n == 0 || find_wanted(&wanted, master->rollout.current, NULL) != 0)
        return;
    for (size_t i = master->addresses.n; i-- > 0;) {
        const char *lookup = master->addresses.entries[i].lookup;
        if (!is_wanted(&wanted, lookup))
            (void)addresses_set(&master->addresses, lookup, NULL, 0);
    }
    free(wanted.at);
}
