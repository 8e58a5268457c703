/* SPDX-License-Identifier: MIT */
/* Which row of the segment belongs to which service, group, host of the configurations in use. */
#include "master/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

/*
 * Three tables of the same make: chained hashing by key, and the entries by row number. The lowest
 * free number is given first, so that the segment's touched pages stay few.
 */
struct row_entry {
    struct row_entry *next; /* of its bucket */
    uint32_t number;
    uint32_t uses;   /* generations that name it */
    bool is_current; /* the current generation does */
    int64_t weight;  /* hosts: as the configuration had it last */
    char key[];
};

struct row_table {
    struct row_entry **buckets; /* as many as capacity, a power of two; owned */
    struct row_entry **numbers; /* capacity; NULL = free */
    uint32_t capacity;
    uint32_t lowest; /* no free number lies below it */
};

struct rows {
    const struct segment *segment;
    struct hash_key key;
    struct row_table services, groups, hosts;
};

static int init_table(struct row_table *table, uint32_t capacity)
{
    *table = (struct row_table){.capacity = capacity};
    table->buckets = calloc(capacity, sizeof *table->buckets);
    table->numbers = calloc(capacity, sizeof *table->numbers);
    return table->buckets != NULL && table->numbers != NULL ? 0 : -1;
}

static void fini_table(struct row_table *table)
{
    for (uint32_t i = 0; table->numbers != NULL && i < table->capacity; i++)
        free(table->numbers[i]);
    free(table->buckets);
    free(table->numbers);
}

struct rows *rows_new(const struct segment *segment)
{
    struct rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        return NULL;
    struct random random;
    random_init(&random, 0);
    rows->segment = segment;
    rows->key = (struct hash_key){{random_next(&random), random_next(&random)}};
    if (init_table(&rows->services, SEGMENT_SERVICES) == 0 &&
        init_table(&rows->groups, SEGMENT_GROUPS) == 0 &&
        init_table(&rows->hosts, SEGMENT_HOSTS) == 0)
        return rows;
    rows_free(rows);
    errno = ENOMEM;
    return NULL;
}

void rows_free(struct rows *rows)
{
    if (rows == NULL)
        return;
    fini_table(&rows->services);
    fini_table(&rows->groups);
    fini_table(&rows->hosts);
    free(rows);
}

static struct row_entry **bucket_of(const struct rows *rows, const struct row_table *table,
                                    const char *key)
{
    return &table->buckets[hash_bytes(&rows->key, key, strlen(key)) & (table->capacity - 1)];
}

/* Finds the entry and counts one use more; *is_new tells that it was made. NULL with errno. */
static struct row_entry *take_entry(const struct rows *rows, struct row_table *table,
                                    const char *key, bool *is_new)
{
    struct row_entry **bucket = bucket_of(rows, table, key);
    *is_new = false;
    for (struct row_entry *entry = *bucket; entry != NULL; entry = entry->next) {
        if (strcmp(entry->key, key) != 0)
            continue;
        entry->uses++;
        return entry;
    }
    while (table->lowest < table->capacity && table->numbers[table->lowest] != NULL)
        table->lowest++;
    if (table->lowest == table->capacity) {
        errno = ENOSPC;
        return NULL;
    }
    struct row_entry *entry = malloc(sizeof *entry + strlen(key) + 1);
    if (entry == NULL)
        return NULL;
    *entry = (struct row_entry){.next = *bucket, .number = table->lowest, .uses = 1};
    memcpy(entry->key, key, strlen(key) + 1);
    *bucket = entry;
    table->numbers[entry->number] = entry;
    *is_new = true;
    return entry;
}

/* Counts one use less. Returns true when that was the last: the number is free again. */
static bool give_entry(const struct rows *rows, struct row_table *table, uint32_t number)
{
    struct row_entry *entry = table->numbers[number];
    assert(entry != NULL);
    if (--entry->uses > 0)
        return false;
    struct row_entry **at = bucket_of(rows, table, entry->key);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    table->numbers[number] = NULL;
    if (number < table->lowest)
        table->lowest = number;
    free(entry);
    return true;
}

static enum host_admin admin_of(enum host_setting setting)
{
    switch (setting) {
    case HOST_SET_DRAIN:
        return ADMIN_DRAIN;
    case HOST_SET_DOWN:
        return ADMIN_DOWN;
    case HOST_SET_UP:
        break;
    }
    return ADMIN_UP;
}

static uint64_t hash_line(const struct rows *rows, const struct model_host *host)
{
    return hash_bytes(&rows->key, host->line, strlen(host->line));
}

static bool is_unresolved(const struct model_host *host)
{
    return host->address.any.sa_family == AF_UNSPEC;
}

/* Lays the file's word over the row. */
static void apply_file(const struct rows *rows, uint32_t number, const struct model_host *host)
{
    struct host_row *row = &rows->segment->hosts[number];
    atomic_store(&row->drain_until_ns, 0);
    atomic_store(&row->drain_from_ns, 0);
    rows->hosts.numbers[number]->weight = host->weight;
    host_set_admin(rows->segment, number, admin_of(host->state));
    host_set_weight(rows->segment, number, (uint32_t)host->weight);
    atomic_store(&row->line_hash, hash_line(rows, host));
}

/* A service record has another weight now: it stands unless an admin has set one. */
static void apply_weight(const struct rows *rows, uint32_t number,
                         const struct model_host *host)
{
    struct row_entry *entry = rows->hosts.numbers[number];
    if (host->weight == entry->weight)
        return;
    if (atomic_load(&rows->segment->hosts[number].weight) == entry->weight)
        host_set_weight(rows->segment, number, (uint32_t)host->weight);
    entry->weight = host->weight;
}

/* What was set on the hosts of a line, as far as they agree; has_… is false where they do not. */
struct line_word {
    bool has_admin, has_weight;
    uint32_t admin, weight;
};

static void hear_line(const struct rows *rows, uint32_t number, const struct model_host *host,
                      struct line_word *out)
{
    const struct host_row *own = &rows->segment->hosts[number];
    uint64_t hash = hash_line(rows, host);
    uint32_t n_used = segment_used(&rows->segment->daemon->hosts_used, SEGMENT_HOSTS);
    bool is_first = true;
    *out = (struct line_word){0};
    for (uint32_t i = 0; i < n_used; i++) {
        const struct row_entry *entry = rows->hosts.numbers[i];
        const struct host_row *row = &rows->segment->hosts[i];
        if (entry == NULL || !entry->is_current || atomic_load(&row->line_hash) != hash ||
            atomic_load(&row->group) != atomic_load(&own->group))
            continue;
        uint32_t admin = atomic_load(&row->admin), weight = atomic_load(&row->weight);
        bool is_set = weight != entry->weight;
        if (is_first)
            *out = (struct line_word){true, is_set, admin, weight};
        out->has_admin &= admin == out->admin;
        out->has_weight &= is_set && weight == out->weight;
        is_first = false;
    }
}

/*
 * A name has come to mean one address more: what an admin has set on all of its hosts holds for
 * this one, too. Who took a name out of service does not expect its next address to serve.
 */
static void apply_line(const struct rows *rows, uint32_t number, const struct model_host *host)
{
    struct line_word word;
    hear_line(rows, number, host, &word);
    if (word.has_admin)
        host_set_admin(rows->segment, number, (enum host_admin)word.admin);
    if (word.has_weight)
        host_set_weight(rows->segment, number, word.weight);
}

static int take_services(struct rows *rows, const struct model *model, struct bundle_rows *out)
{
    for (size_t i = 0; i < model->n_services; i++) {
        bool is_new;
        const struct row_entry *entry =
            take_entry(rows, &rows->services, model->services[i].name, &is_new);
        if (entry == NULL)
            return -1;
        out->services[out->n_services++] = entry->number;
        if (!is_new)
            continue;
        service_reset(rows->segment, entry->number);
        label_set(&rows->segment->service_labels[entry->number], model->services[i].name, NULL);
        atomic_store(&rows->segment->services[entry->number].is_used, 1);
    }
    return 0;
}

static int take_host(struct rows *rows, const struct model_group *group, uint32_t group_number,
                     const struct model_host *host, struct bundle_rows *out)
{
    /*
     * No name and no address holds a newline; what is looked up is no address. A host found by a name is shown
     * with its address behind it only while there are others: the row stays the same when they come and go.
     */
    const char *name = host->lookup[0] != '\0' ? host->line_name : host->name;
    struct text key = {0};
    char address[ADDR_TEXT_BYTES];
    bool is_new;
    text_printf(&key, "%s\n%s\n%s", group->name, name,
                is_unresolved(host) ? host->lookup : addr_print(address, &host->address));
    const struct row_entry *entry =
        key.failed ? NULL : take_entry(rows, &rows->hosts, key.at, &is_new);
    text_fini(&key);
    if (entry == NULL)
        return -1;
    out->hosts[out->n_hosts++] = entry->number;
    if (!is_new)
        return 0;
    host_reset(rows->segment, entry->number, group_number);
    label_set(&rows->segment->host_labels[entry->number], name,
              is_unresolved(host) ? host->lookup : addr_print(address, &host->address));
    atomic_store(&rows->segment->hosts[entry->number].is_used, 1);
    if (is_unresolved(host))
        host_set_health(rows->segment, entry->number, HEALTH_UNRESOLVED,
                        "the name has no known address");
    apply_file(rows, entry->number, host);
    return 0;
}

static int take_groups(struct rows *rows, const struct model *model, struct bundle_rows *out)
{
    for (size_t i = 0; i < model->n_groups; i++) {
        const struct model_group *group = &model->groups[i];
        bool is_new;
        const struct row_entry *entry = take_entry(rows, &rows->groups, group->name, &is_new);
        if (entry == NULL)
            return -1;
        out->groups[out->n_groups++] = entry->number;
        if (is_new) {
            group_reset(rows->segment, entry->number);
            label_set(&rows->segment->group_labels[entry->number], group->name, NULL);
            atomic_store(&rows->segment->groups[entry->number].is_used, 1);
        }
        for (size_t k = 0; k < group->n_hosts; k++)
            if (take_host(rows, group, entry->number, &group->hosts[k], out) != 0)
                return -1;
    }
    return 0;
}

int rows_take(struct rows *rows, const struct model *model, struct bundle_rows *out,
              const char **why)
{
    *out = (struct bundle_rows){.n_listeners = model->n_listens};
    /* One more each: calloc of nothing may return NULL. */
    out->services = calloc(model->n_services + 1, sizeof *out->services);
    out->groups = calloc(model->n_groups + 1, sizeof *out->groups);
    out->hosts = calloc(model->n_hosts + 1, sizeof *out->hosts);
    out->listeners = calloc(model->n_listens + 1, sizeof *out->listeners);
    if (out->services != NULL && out->groups != NULL && out->hosts != NULL &&
        out->listeners != NULL && take_services(rows, model, out) == 0 &&
        take_groups(rows, model, out) == 0)
        return 0;
    *why = errno == ENOSPC ? "more services (1024), groups (4096) or hosts (65536) than one "
                             "daemon can hold, counted with those still in use from before"
                           : "out of memory";
    rows_give(rows, out);
    return -1;
}

void rows_commit(struct rows *rows, const struct model *model, const struct bundle_rows *taken)
{
    size_t at = 0;
    for (size_t i = 0; i < model->n_groups; i++) {
        for (size_t k = 0; k < model->groups[i].n_hosts; k++, at++) {
            const struct model_host *host = &model->groups[i].hosts[k];
            uint32_t number = taken->hosts[at];
            bool is_current = rows->hosts.numbers[number]->is_current;
            if (!is_current ||
                atomic_load(&rows->segment->hosts[number].line_hash) != hash_line(rows, host))
                apply_file(rows, number, host);
            else
                apply_weight(rows, number, host);
            if (!is_current && host->lookup[0] != '\0')
                apply_line(rows, number, host);
        }
    }
    for (uint32_t i = 0; i < SEGMENT_HOSTS; i++)
        if (rows->hosts.numbers[i] != NULL)
            rows->hosts.numbers[i]->is_current = false;
    for (size_t i = 0; i < taken->n_hosts; i++)
        rows->hosts.numbers[taken->hosts[i]]->is_current = true;
}

/* The name of the group at a place of a service: 0 = `group`, n = the n-th of `standby`. */
static const char *group_at(const struct model *model, const struct model_service *service,
                            size_t place)
{
    return model->groups[service->places[place]].name;
}

static const struct model_service *find_service(const struct model *model, const char *name)
{
    for (size_t i = 0; model != NULL && i < model->n_services; i++)
        if (strcmp(model->services[i].name, name) == 0)
            return &model->services[i];
    return NULL;
}

static bool has_same_groups(const struct model *before, const struct model_service *old,
                            const struct model *model, const struct model_service *service)
{
    bool is_same = old != NULL && old->n_standby == service->n_standby;
    for (size_t place = 0; is_same && place <= service->n_standby; place++)
        is_same = strcmp(group_at(before, old, place), group_at(model, service, place)) == 0;
    return is_same;
}

/* Where the service has the group of this name; 0 when it has not. */
static uint32_t place_of(const struct model *model, const struct model_service *service,
                         const char *name)
{
    for (size_t place = 0; place <= service->n_standby; place++)
        if (strcmp(group_at(model, service, place), name) == 0)
            return (uint32_t)place;
    return 0;
}

void rows_keep_enabled(struct rows *rows, const struct model *before, const struct model *model,
                       const struct bundle_rows *taken, bool by_name)
{
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        const struct model_service *old = find_service(before, service->name);
        struct service_row *row = &rows->segment->services[taken->services[i]];
        uint32_t place = atomic_load(&row->enabled), kept = 0;
        if (place == 0 || has_same_groups(before, old, model, service))
            continue;
        if (by_name && old != NULL && place <= old->n_standby)
            kept = place_of(model, service, group_at(before, old, place));
        atomic_store(&row->enabled, kept);
        if (kept == 0)
            log_info("service %s: its groups have changed, the file's group %s is in force",
                     service->name, group_at(model, service, 0));
    }
}

void rows_give(struct rows *rows, struct bundle_rows *taken)
{
    const struct segment *segment = rows->segment;
    assert(taken->hosts != NULL || taken->n_hosts == 0);
    assert(taken->groups != NULL || taken->n_groups == 0);
    assert(taken->services != NULL || taken->n_services == 0);
    /* Hosts first: a host that is forgotten still looks at its group. */
    for (size_t i = 0; i < taken->n_hosts; i++)
        if (give_entry(rows, &rows->hosts, taken->hosts[i]))
            host_forget(segment, taken->hosts[i]);
    for (size_t i = 0; i < taken->n_groups; i++)
        if (give_entry(rows, &rows->groups, taken->groups[i]))
            atomic_store(&segment->groups[taken->groups[i]].is_used, 0);
    for (size_t i = 0; i < taken->n_services; i++)
        if (give_entry(rows, &rows->services, taken->services[i]))
            atomic_store(&segment->services[taken->services[i]].is_used, 0);
    free(taken->services);
    free(taken->groups);
    free(taken->hosts);
    free(taken->listeners);
    *taken = (struct bundle_rows){0};
}
