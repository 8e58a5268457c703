/* SPDX-License-Identifier: MIT */
/* How many local ports are left for connections to each host. */
#include "director/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/diag.h"

enum {
    WARN_BELOW_PERCENT = 10,
    CALM_ABOVE_PERCENT = 20,
    SOURCES_MOST = 8, /* source addresses told apart for one host */
    RANGE_DEFAULT_FIRST = 32768,
    RANGE_DEFAULT_LAST = 60999
};

/* The ports in use towards one address, by source. */
struct use {
    struct addr host;
    struct {
        struct addr source; /* port 0 */
        uint32_t n;
    } sources[SOURCES_MOST];
    uint32_t n_sources;
};

/* A host of the model; use is found by its address. */
struct listed {
    char name[64]; /* group/host, cut */
    uint32_t number;
    uint32_t use;
};

/* What one count works on; the model may be gone before it ends. */
struct count {
    struct ports *ports;
    struct use *uses; /* ascending by address; owned, as is hosts */
    size_t n_uses;
    struct listed *hosts;
    size_t n_hosts;
    uint32_t first, last; /* the range of local ports */
    int error;
};

struct ports {
    const struct segment *segment;
    struct task_threads *tasks;
    bool is_counting;
    bool *is_warned; /* by row number */
};

struct ports *ports_new(const struct segment *segment, struct task_threads *tasks)
{
    struct ports *ports = calloc(1, sizeof *ports);
    if (ports == NULL)
        return NULL;
    ports->segment = segment;
    ports->tasks = tasks;
    ports->is_warned = calloc(SEGMENT_HOSTS, sizeof *ports->is_warned);
    if (ports->is_warned != NULL)
        return ports;
    free(ports);
    return NULL;
}

void ports_free(struct ports *ports)
{
    if (ports == NULL)
        return;
    free(ports->is_warned);
    free(ports);
}

/* ---- on the task thread ---- */

static int compare_address(const struct addr *a, const struct addr *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return a->any.sa_family < b->any.sa_family ? -1 : 1;
    int by_port = (int)addr_port(a) - (int)addr_port(b);
    if (by_port != 0)
        return by_port;
    return a->any.sa_family == AF_INET
               ? memcmp(&a->in.sin_addr, &b->in.sin_addr, sizeof a->in.sin_addr)
               : memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr);
}

static int compare_uses(const void *a, const void *b)
{
    return compare_address(&((const struct use *)a)->host, &((const struct use *)b)->host);
}

static struct use *find_use(const struct count *count, const struct addr *host)
{
    const struct use key = {.host = *host};
    return bsearch(&key, count->uses, count->n_uses, sizeof key, compare_uses);
}

static void note_connection(void *context, const struct addr *local, const struct addr *remote)
{
    const struct count *count = context;
    uint16_t port = addr_port(local);
    struct use *use = find_use(count, remote);
    struct addr source = *local;

    if (use == NULL || port < count->first || port > count->last)
        return;
    if (source.any.sa_family == AF_INET6)
        source.in6.sin6_port = 0;
    else
        source.in.sin_port = 0;
    uint32_t i = 0;
    while (i < use->n_sources && compare_address(&use->sources[i].source, &source) != 0)
        i++;
    if (i == SOURCES_MOST)
        return;
    if (i == use->n_sources) {
        use->sources[i].source = source;
        use->n_sources++;
    }
    use->sources[i].n++;
}

static void read_range(struct count *count)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    count->first = RANGE_DEFAULT_FIRST;
    count->last = RANGE_DEFAULT_LAST;
    if (file == NULL)
        return;
    char line[64], *end;
    if (fgets(line, sizeof line, file) != NULL) {
        unsigned long first = strtoul(line, &end, 10), last = strtoul(end, NULL, 10);
        if (first > 0 && first <= last && last <= UINT16_MAX) {
            count->first = (uint32_t)first;
            count->last = (uint32_t)last;
        }
    }
    fclose(file);
}

static void run_count(void *argument)
{
    struct count *count = argument;
    bool has_v6 = false;

    read_range(count);
    for (size_t i = 0; i < count->n_uses; i++)
        has_v6 |= count->uses[i].host.any.sa_family == AF_INET6;
    if (diag_walk(AF_INET, note_connection, count) != 0 ||
        (has_v6 && diag_walk(AF_INET6, note_connection, count) != 0))
        count->error = errno;
}

/* ---- on the loop ---- */

static uint32_t ports_left(const struct count *count, const struct listed *host)
{
    const struct use *use = &count->uses[host->use];
    uint32_t size = count->last - count->first + 1, most = 0;

    for (uint32_t i = 0; i < use->n_sources; i++)
        if (use->sources[i].n > most)
            most = use->sources[i].n;
    return size > most ? size - most : 0;
}

static void judge(struct ports *ports, const struct count *count, const struct listed *host)
{
    uint32_t size = count->last - count->first + 1;
    uint32_t left = ports_left(count, host);
    bool *is_warned = &ports->is_warned[host->number];

    atomic_store(&ports->segment->hosts[host->number].ports_left, left + 1);
    if ((uint64_t)left * 100 < (uint64_t)size * WARN_BELOW_PERCENT && !*is_warned) {
        *is_warned = true;
        log_warning("host %s: %u of %u local ports are left for connections to it from one "
                    "address: more source addresses (`bind') or a wider "
                    "net.ipv4.ip_local_port_range would help",
                    host->name, (unsigned)left, (unsigned)size);
    } else if ((uint64_t)left * 100 > (uint64_t)size * CALM_ABOVE_PERCENT) {
        *is_warned = false;
    }
}

static void free_count(struct count *count)
{
    free(count->uses);
    free(count->hosts);
    free(count);
}

static void end_count(void *argument)
{
    struct count *count = argument;
    struct ports *ports = count->ports;

    ports->is_counting = false;
    for (size_t i = 0; count->error == 0 && i < count->n_hosts; i++)
        judge(ports, count, &count->hosts[i]);
    free_count(count);
}

static void list_hosts(struct count *count, const struct model *model,
                       const struct bundle_rows *rows)
{
    for (size_t g = 0; g < model->n_groups; g++) {
        const struct model_group *group = &model->groups[g];
        for (size_t i = 0; i < group->n_hosts; i++) {
            const struct model_host *host = &group->hosts[i];
            if (host->address.any.sa_family != AF_INET &&
                host->address.any.sa_family != AF_INET6)
                continue;
            struct listed *listed = &count->hosts[count->n_hosts++];
            snprintf(listed->name, sizeof listed->name, "%s/%s", group->name, host->name);
            listed->number = rows->hosts[group->first_host + i];
            count->uses[count->n_uses++].host = host->address;
        }
    }
}

/* Ascending, each address once; then every host finds its own. */
static void sort_uses(struct count *count, const struct model *model)
{
    size_t kept = 0, n = 0;
    qsort(count->uses, count->n_uses, sizeof *count->uses, compare_uses);
    for (size_t i = 0; i < count->n_uses; i++)
        if (i == 0 || compare_uses(&count->uses[i], &count->uses[kept - 1]) != 0)
            count->uses[kept++] = count->uses[i];
    count->n_uses = kept;
    for (size_t g = 0; g < model->n_groups; g++)
        for (size_t i = 0; i < model->groups[g].n_hosts; i++) {
            const struct addr *address = &model->groups[g].hosts[i].address;
            if (address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6)
                count->hosts[n++].use = (uint32_t)(find_use(count, address) - count->uses);
        }
}

void ports_look(struct ports *ports, const struct model *model, const struct bundle_rows *rows)
{
    if (ports->is_counting || model->n_hosts == 0)
        return;
    struct count *count = calloc(1, sizeof *count);
    if (count == NULL)
        return;
    count->ports = ports;
    count->uses = calloc(model->n_hosts, sizeof *count->uses);
    count->hosts = calloc(model->n_hosts, sizeof *count->hosts);
    if (count->uses == NULL || count->hosts == NULL) {
        free_count(count);
        return;
    }
    list_hosts(count, model, rows);
    sort_uses(count, model);
    ports->is_counting = task_submit(ports->tasks, run_count, end_count, count) == 0;
    if (!ports->is_counting)
        free_count(count);
}
