/* SPDX-License-Identifier: MIT */
/* Reads the service records out of an answer of the DNS. */
#include "net/srv.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define TYPE_SRV 33
#define CLASS_IN 1
#define LABEL_MOST 63
#define NAME_MOST 253 /* as text without the dot at the end */
#define NAME_WIRE_MOST 255
#define POINTER 0xc0     /* the two high bits of a length byte */
#define SRV_HEAD_BYTES 6 /* priority, weight, port */
#define WEIGHT_MOST 256U

/* What is left of an answer. at never passes end. */
struct walk {
    const unsigned char *start, *at, *end;
};

static bool take_u16(struct walk *walk, uint16_t *number)
{
    if (walk->end - walk->at < 2)
        return false;
    *number = (uint16_t)(walk->at[0] << 8 | walk->at[1]);
    walk->at += 2;
    return true;
}

static bool take_u32(struct walk *walk, uint32_t *number)
{
    uint16_t high, low;
    if (!take_u16(walk, &high) || !take_u16(walk, &low))
        return false;
    *number = (uint32_t)high << 16 | low;
    return true;
}

static bool skip(struct walk *walk, size_t bytes)
{
    if ((size_t)(walk->end - walk->at) < bytes)
        return false;
    walk->at += bytes;
    return true;
}

/* A name that nobody needs: a pointer ends it, and is not followed. */
static bool skip_name(struct walk *walk)
{
    size_t wire_bytes = 1; /* the root's */
    while (walk->at < walk->end) {
        unsigned char length = *walk->at++;
        if (length == 0)
            return true;
        if ((length & POINTER) == POINTER)
            return skip(walk, 1);
        wire_bytes += length + 1U;
        if (length > LABEL_MOST || wire_bytes > NAME_WIRE_MOST || !skip(walk, length))
            return false;
    }
    return false;
}

static bool is_of_a_host(unsigned char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
}

/* Adds the label with its dot; false when the name gets too long. *is_good tells of its letters. */
static bool add_label(char *out, size_t *used, const unsigned char *label, size_t length,
                      bool *is_good)
{
    if (*used + (*used > 0) + length > NAME_MOST)
        return false;
    if (*used > 0)
        out[(*used)++] = '.';
    for (size_t i = 0; i < length; i++) {
        *is_good = *is_good && is_of_a_host(label[i]);
        out[(*used)++] = (char)label[i];
    }
    return true;
}

/*
 * The name at walk->at, as text; walk goes on behind it. A pointer leads to before the part it
 * ends, so that the way is finite; a forward one, to itself or past the end is damage.
 */
static bool take_name(struct walk *walk, char out[SRV_NAME_BYTES], bool *is_good)
{
    const unsigned char *at = walk->at, *part = at, *end = walk->end;
    bool has_jumped = false;
    size_t used = 0;
    *is_good = true;
    for (;;) {
        if (at >= end)
            return false;
        unsigned char length = *at++;
        if ((length & POINTER) == POINTER) {
            if (at >= end)
                return false;
            size_t offset = (size_t)(length & ~POINTER) << 8 | *at++;
            if (!has_jumped)
                walk->at = at;
            has_jumped = true;
            if (offset >= (size_t)(part - walk->start))
                return false;
            at = part = walk->start + offset;
            continue;
        }
        if (length > LABEL_MOST)
            return false;
        if (length == 0)
            break;
        if ((size_t)(end - at) < length || !add_label(out, &used, at, length, is_good))
            return false;
        at += length;
    }
    out[used] = '\0';
    *is_good = *is_good && used > 0;
    if (!has_jumped)
        walk->at = at;
    return true;
}

/* The data of one service record, which ends at data->end. */
static bool take_record(struct walk *data, struct srv_record *record, bool *is_good)
{
    return take_u16(data, &record->priority) && take_u16(data, &record->weight) &&
           take_u16(data, &record->port) && take_name(data, record->target, is_good) &&
           data->at == data->end;
}

/* Puts it in where there is room, else in place of one of a higher priority value. */
static void keep(struct srv_record *records, int most, int *n, const struct srv_record *record)
{
    if (*n < most) {
        records[(*n)++] = *record;
        return;
    }
    int worst = 0;
    for (int i = 1; i < *n; i++)
        if (records[i].priority > records[worst].priority)
            worst = i;
    if (*n > 0 && record->priority < records[worst].priority)
        records[worst] = *record;
}

/* Type, class, TTL and data of a record whose name was passed. */
static bool walk_record(struct walk *walk, struct srv_record *records, int most, int *n)
{
    uint16_t type, class, data_bytes;
    struct srv_record record;
    if (!take_u16(walk, &type) || !take_u16(walk, &class) || !take_u32(walk, &record.ttl_s) ||
        !take_u16(walk, &data_bytes))
        return false;
    struct walk data = {.start = walk->start, .at = walk->at};
    if (!skip(walk, data_bytes))
        return false;
    data.end = walk->at;
    if (type != TYPE_SRV || class != CLASS_IN)
        return true;
    bool is_good;
    if (!take_record(&data, &record, &is_good))
        return false;
    if (record.ttl_s > INT32_MAX) /* RFC 2181 §8 */
        record.ttl_s = 0;
    if (is_good && record.port != 0)
        keep(records, most, n, &record);
    return true;
}

int srv_parse(const unsigned char *bytes, size_t length, struct srv_record *records, int most)
{
    struct walk walk = {bytes, bytes, bytes + length};
    uint16_t id, flags, n_questions, n_answers, n_others;
    int n = 0;
    errno = EPROTO;
    if (!take_u16(&walk, &id) || !take_u16(&walk, &flags) || !take_u16(&walk, &n_questions) ||
        !take_u16(&walk, &n_answers) || !take_u16(&walk, &n_others) ||
        !take_u16(&walk, &n_others))
        return -1;
    for (uint16_t i = 0; i < n_questions; i++)
        if (!skip_name(&walk) || !skip(&walk, 4))
            return -1;
    for (uint16_t i = 0; i < n_answers; i++)
        if (!skip_name(&walk) || !walk_record(&walk, records, most, &n))
            return -1;
    return n;
}

int srv_choose(struct srv_record *records, int n)
{
    uint16_t lowest = UINT16_MAX, heaviest = 0;
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (records[i].priority < lowest)
            lowest = records[i].priority;
    for (int i = 0; i < n; i++) {
        if (records[i].priority != lowest)
            continue;
        records[kept] = records[i];
        if (records[kept].weight > heaviest)
            heaviest = records[kept].weight;
        kept++;
    }
    for (int i = 0; i < kept; i++) {
        uint32_t weight = records[i].weight;
        if (heaviest > WEIGHT_MOST)
            weight = weight * WEIGHT_MOST / heaviest;
        records[i].weight = (uint16_t)(weight > 0 ? weight : 1);
    }
    return kept;
}
