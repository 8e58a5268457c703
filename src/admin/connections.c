/* SPDX-License-Identifier: MIT */
/* The open connections: which to show, and their list as JSON, bit by bit. */
#include "admin/connections.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/show.h"
#include "base/clock.h"
#include "base/units.h"

enum { ROWS_AT_A_TIME = 512 };

/* ---- filters ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %HH and + as bytes. False for a bad one, for NUL, and for what is too long. */
static bool decode(const char *text, char *out, size_t most)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        int byte = *text == '+' ? ' ' : (unsigned char)*text;
        if (*text == '%') {
            int high = hex_of(text[1]);
            int low = high >= 0 ? hex_of(text[2]) : -1;
            if (low < 0)
                return false;
            byte = high * 16 + low;
            text += 2;
        }
        if (byte == 0 || n + 1 >= most)
            return false;
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return true;
}

static bool take_name(char out[LABEL_NAME_BYTES], const char *value)
{
    snprintf(out, LABEL_NAME_BYTES, "%s", value);
    return *value != '\0' && strlen(value) < LABEL_NAME_BYTES;
}

bool connection_filter_add(struct connection_filter *filter, const char *name,
                           const char *value, struct text *why)
{
    char text[256];
    const char *fault = "is no value for it";
    bool is_fine = decode(value, text, sizeof text);
    int64_t number = 0;
    if (!is_fine) {
        fault = "is badly written";
    } else if (strcmp(name, "service") == 0) {
        is_fine = take_name(filter->service, text);
    } else if (strcmp(name, "group") == 0) {
        is_fine = take_name(filter->group, text);
    } else if (strcmp(name, "host") == 0) {
        is_fine = take_name(filter->host, text);
    } else if (strcmp(name, "source") == 0) {
        is_fine = addr_parse_network(text, &filter->source, &fault) == 0;
        filter->has_source = is_fine;
    } else if (strcmp(name, "age") == 0) {
        is_fine = units_parse_duration(text, &filter->age_ms) == 0;
        fault = "is no duration (as 30s, 5m, 1h)";
    } else if (strcmp(name, "bytes") == 0) {
        is_fine = units_parse_size(text, &filter->bytes) == 0;
        fault = "is no size (as 64k, 16m)";
    } else if (strcmp(name, "limit") == 0) {
        is_fine = units_parse_number(text, &number) == 0 && number > 0;
        filter->most = is_fine ? (uint64_t)number : 0;
        fault = "is no number above 0";
    } else {
        text_printf(why,
                    "there is no filter '%.32s'; there are service, group, host, source, "
                    "age, bytes, limit",
                    name);
        return false;
    }
    if (!is_fine)
        text_printf(why, "%s: '%.64s' %s", name, value, fault);
    return is_fine;
}

/* ---- the list ---- */

struct connection_list {
    const struct segment *segment;
    struct connection_filter filter;
    uint32_t slot, row; /* the next to be read */
    uint64_t n_shown;
    bool is_begun, is_ended;
    struct text ready; /* printed, not handed on yet; owned */
    size_t handed;     /* of ready */
};

/* One row, copied whole. */
struct copied {
    uint64_t id, in_bytes, out_bytes, active_ns;
    struct label service, group, host;
    int64_t since_ns;
    enum phase phase;
    struct addr client;
};

static void read_client(const struct live_row *row, struct addr *out)
{
    *out = (struct addr){.any.sa_family = row->client_family};
    if (row->client_family == AF_INET) {
        memcpy(&out->in.sin_addr, row->client_address, sizeof out->in.sin_addr);
        out->in.sin_port = htons(row->client_port);
        out->length = sizeof out->in;
    } else if (row->client_family == AF_INET6) {
        memcpy(&out->in6.sin6_addr, row->client_address, sizeof out->in6.sin6_addr);
        out->in6.sin6_port = htons(row->client_port);
        out->length = sizeof out->in6;
    }
}

static void read_labels(const struct segment *segment, const struct live_row *row,
                        struct copied *out)
{
    uint32_t service = atomic_load_explicit(&row->service, memory_order_relaxed);
    uint32_t host = atomic_load_explicit(&row->host, memory_order_relaxed);
    out->service = out->group = out->host = (struct label){0};
    if (service < SEGMENT_SERVICES)
        label_read(&segment->service_labels[service], &out->service);
    if (host >= SEGMENT_HOSTS)
        return;
    uint32_t group = atomic_load_explicit(&segment->hosts[host].group, memory_order_relaxed);
    label_read(&segment->host_labels[host], &out->host);
    if (group < SEGMENT_GROUPS)
        label_read(&segment->group_labels[group], &out->group);
}

/* False when nobody is there, or somebody else came while it was copied. */
static bool copy_row(const struct segment *segment, uint32_t slot, uint32_t number,
                     struct copied *out)
{
    const struct live_row *row = live_row(segment, slot, number);
    const struct live_traffic *traffic = live_traffic(segment, slot, number);
    out->id = atomic_load_explicit(&row->id, memory_order_acquire);
    if (out->id == 0)
        return false;
    out->since_ns = atomic_load_explicit(&row->since_ns, memory_order_relaxed);
    uint32_t phase = atomic_load_explicit(&row->phase, memory_order_relaxed);
    out->phase = phase < PHASES ? (enum phase)phase : PHASE_QUEUE;
    read_client(row, &out->client);
    read_labels(segment, row, out);
    bool is_its_own = atomic_load_explicit(&traffic->id, memory_order_acquire) == out->id;
    out->in_bytes = is_its_own ? atomic_load(&traffic->in_bytes) : 0;
    out->out_bytes = is_its_own ? atomic_load(&traffic->out_bytes) : 0;
    out->active_ns = is_its_own ? atomic_load(&traffic->active_ns) : 0;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&row->id, memory_order_relaxed) == out->id;
}

static bool is_wanted(const struct connection_filter *filter, const struct copied *row,
                      int64_t age_ms)
{
    return (filter->service[0] == '\0' || strcmp(filter->service, row->service.name) == 0) &&
           (filter->group[0] == '\0' || strcmp(filter->group, row->group.name) == 0) &&
           (filter->host[0] == '\0' || strcmp(filter->host, row->host.name) == 0) &&
           (!filter->has_source || addr_network_has(&filter->source, &row->client)) &&
           age_ms >= filter->age_ms &&
           row->in_bytes + row->out_bytes >= (uint64_t)filter->bytes;
}

static void print_row(struct text *out, const struct copied *row, uint32_t slot, double age_s)
{
    char client[ADDR_TEXT_BYTES];
    text_printf(out, "{\"id\":%" PRIu64 ",\"client\":\"%s\",\"service\":", row->id,
                addr_print(client, &row->client));
    text_add_json(out, row->service.name);
    text_add(out, ",\"group\":");
    text_add_json(out, row->group.name);
    text_add(out, ",\"host\":");
    text_add_json(out, row->host.name);
    text_add(out, ",\"address\":");
    text_add_json(out, row->host.address);
    text_printf(out, ",\"worker\":%" PRIu32 ",\"phase\":\"%s\",\"since\":\"", slot,
                phase_word(row->phase));
    show_time(out, row->since_ns);
    text_printf(out, "\",\"age_s\":%.3f,\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "}",
                age_s, row->in_bytes, row->out_bytes);
}

static void add_row(struct connection_list *list, uint32_t slot, uint32_t number)
{
    struct copied row;
    if (!copy_row(list->segment, slot, number, &row))
        return;
    int64_t age_ms = (clock_wall_ns() - row.since_ns) / (int64_t)CLOCK_NS_PER_MS;
    if (age_ms < 0) /* the clock was set back */
        age_ms = 0;
    if (!is_wanted(&list->filter, &row, age_ms))
        return;
    text_add(&list->ready, list->n_shown++ > 0 ? ",\n" : "\n");
    print_row(&list->ready, &row, slot, (double)age_ms / 1000);
}

/* Prints the next rows, a bounded number of them. */
static void go_on(struct connection_list *list)
{
    const struct segment *segment = list->segment;
    uint32_t n_slots = segment_used(&segment->daemon->slots_used, SEGMENT_SLOTS);
    if (!list->is_begun)
        text_add(&list->ready, "{\"connections\":[");
    list->is_begun = true;
    for (uint32_t looked = 0; looked < ROWS_AT_A_TIME && list->slot < n_slots; looked++) {
        uint32_t n_rows = segment_used(&segment->slots[list->slot].live_used, SEGMENT_LIVE);
        bool is_full = list->filter.most != 0 && list->n_shown >= list->filter.most;
        if (list->row >= n_rows || is_full) {
            list->slot = is_full ? n_slots : list->slot + 1;
            list->row = 0;
            continue;
        }
        add_row(list, list->slot, list->row++);
    }
    if (list->slot < n_slots) {
        /* Of none of these there is anything to tell: a blank, so that the loop is given back. */
        if (list->ready.length == 0)
            text_add(&list->ready, "\n");
        return;
    }
    text_add(&list->ready, "]}\n");
    list->is_ended = true;
}

struct connection_list *connection_list_new(const struct segment *segment,
                                            const struct connection_filter *filter)
{
    struct connection_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return NULL;
    list->segment = segment;
    list->filter = *filter;
    return list;
}

void connection_list_free(struct connection_list *list)
{
    if (list != NULL)
        text_fini(&list->ready);
    free(list);
}

size_t connection_list_read(struct connection_list *list, char *bytes, size_t most)
{
    while (list->handed == list->ready.length && !list->is_ended) {
        text_clear(&list->ready);
        list->handed = 0;
        go_on(list);
    }
    size_t n = list->ready.length - list->handed;
    if (n > most)
        n = most;
    if (n > 0)
        memcpy(bytes, list->ready.at + list->handed, n);
    list->handed += n;
    return n;
}
