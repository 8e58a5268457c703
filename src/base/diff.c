/* SPDX-License-Identifier: MIT */
/*
 * What differs between two texts, line by line.
 *
 * The greedy algorithm of Myers: after d changed lines, the furthest line reached on each diagonal
 * (line of `from` minus line of `to`). The diagonals of every d are kept, and the way is found by going
 * back through them. What both texts begin and end with is left out first, so that little is looked at.
 */
#include "base/diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT ((size_t)3)

struct line {
    const char *at;
    size_t length; /* with the newline, if it has one */
};

struct lines {
    struct line *at; /* owned */
    size_t n;
};

static bool split(struct lines *out, const char *text)
{
    size_t n = 0;
    for (const char *c = text; *c != '\0'; n++) {
        const char *end = strchr(c, '\n');
        c = end != NULL ? end + 1 : c + strlen(c);
    }
    out->n = 0;
    out->at = calloc(n + 1, sizeof *out->at);
    for (const char *c = text; out->at != NULL && out->n < n; out->n++) {
        const char *end = strchr(c, '\n');
        size_t length = end != NULL ? (size_t)(end - c) + 1 : strlen(c);
        out->at[out->n] = (struct line){c, length};
        c += length;
    }
    return out->at != NULL;
}

static bool is_same(const struct line *a, const struct line *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->at, b->at, a->length) == 0);
}

/* Which lines are not in the other text. */
struct marks {
    bool *from, *to; /* owned */
};

/* One run: the middle parts of both texts. */
struct run {
    const struct line *a, *b;
    int64_t n, m;
    int64_t *reached; /* of all d: at d * d + (diagonal + d) */
};

/* Goes from (n, m) back to the beginning, marking what is crossed. */
static void go_back(const struct run *run, int64_t d, bool *from, bool *to)
{
    int64_t x = run->n, y = run->m;
    for (; d > 0; d--) {
        const int64_t *before = run->reached + (d - 1) * (d - 1) + (d - 1);
        int64_t k = x - y;
        bool is_down = k == -d || (k != d && before[k - 1] < before[k + 1]);
        int64_t from_k = is_down ? k + 1 : k - 1;
        x = before[from_k];
        y = x - from_k;
        if (is_down)
            to[y] = true;
        else
            from[x] = true;
    }
}

/* Marks the least that must change. False when it is too much, or memory is out. */
static bool find(struct run *run, bool *from, bool *to)
{
    int64_t most = run->n + run->m < DIFF_MOST ? run->n + run->m : DIFF_MOST;
    for (int64_t d = 0; d <= most; d++) {
        size_t bytes = (size_t)((d + 1) * (d + 1)) * sizeof *run->reached;
        int64_t *grown = realloc(run->reached, bytes);
        if (grown == NULL)
            return false;
        run->reached = grown;
        int64_t *now = grown + d * d + d;
        const int64_t *before = d > 0 ? grown + (d - 1) * (d - 1) + (d - 1) : NULL;
        for (int64_t k = -d; k <= d; k += 2) {
            int64_t x = 0;
            if (d > 0)
                x = k == -d || (k != d && before[k - 1] < before[k + 1]) ? before[k + 1]
                                                                         : before[k - 1] + 1;
            int64_t y = x - k;
            while (x < run->n && y < run->m && y >= 0 && is_same(&run->a[x], &run->b[y])) {
                x++;
                y++;
            }
            now[k] = x;
            if (x >= run->n && y >= run->m) {
                go_back(run, d, from, to);
                return true;
            }
        }
    }
    return false;
}

static bool mark(const struct lines *a, const struct lines *b, struct marks *marks)
{
    size_t head = 0, tail = 0, least = a->n < b->n ? a->n : b->n;
    marks->from = calloc(a->n + 1, sizeof *marks->from);
    marks->to = calloc(b->n + 1, sizeof *marks->to);
    if (marks->from == NULL || marks->to == NULL)
        return false;
    while (head < least && is_same(&a->at[head], &b->at[head]))
        head++;
    while (tail < least - head && is_same(&a->at[a->n - 1 - tail], &b->at[b->n - 1 - tail]))
        tail++;
    struct run run = {.a = a->at + head,
                      .b = b->at + head,
                      .n = (int64_t)(a->n - head - tail),
                      .m = (int64_t)(b->n - head - tail)};
    if (!find(&run, marks->from + head, marks->to + head)) {
        memset(marks->from + head, true, (size_t)run.n);
        memset(marks->to + head, true, (size_t)run.m);
    }
    free(run.reached);
    return true;
}

/* ---- printing ---- */

static void print_line(struct text *out, char sign, const struct line *line)
{
    text_append(out, &sign, 1);
    text_append(out, line->at, line->length);
    if (line->length == 0 || line->at[line->length - 1] != '\n')
        text_add(out, "\n\\ No newline at end of file\n");
}

/* A part of both texts that begins and ends at the same places; what lies between is changed or context. */
struct hunk {
    size_t a, b, a_end, b_end;
};

/* patch(1) wants 0 for the place of nothing. */
static size_t shown_start(size_t start, size_t n)
{
    return n == 0 ? start : start + 1;
}

static void print_hunk(struct text *out, const struct lines *a, const struct lines *b,
                       const struct marks *marks, const struct hunk *hunk)
{
    size_t n = hunk->a_end - hunk->a, m = hunk->b_end - hunk->b;
    text_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", shown_start(hunk->a, n), n,
                shown_start(hunk->b, m), m);
    for (size_t i = hunk->a, k = hunk->b; i < hunk->a_end || k < hunk->b_end;) {
        if (i < hunk->a_end && marks->from[i])
            print_line(out, '-', &a->at[i++]);
        else if (k < hunk->b_end && marks->to[k])
            print_line(out, '+', &b->at[k++]);
        else {
            print_line(out, ' ', &a->at[i++]);
            k++;
        }
    }
}

/* Steps over lines that both have; returns how many. */
static size_t skip_same(const struct lines *a, const struct lines *b, const struct marks *marks,
                        size_t *i, size_t *k)
{
    size_t n = 0;
    while (*i < a->n && *k < b->n && !marks->from[*i] && !marks->to[*k]) {
        (*i)++;
        (*k)++;
        n++;
    }
    return n;
}

static void print_hunks(struct text *out, const struct lines *a, const struct lines *b,
                        const struct marks *marks)
{
    size_t i = 0, k = 0;
    size_t same = skip_same(a, b, marks, &i, &k);
    while (i < a->n || k < b->n) {
        size_t before = same < CONTEXT ? same : CONTEXT;
        struct hunk hunk = {.a = i - before, .b = k - before};
        do {
            while (i < a->n && marks->from[i])
                i++;
            while (k < b->n && marks->to[k])
                k++;
            same = skip_same(a, b, marks, &i, &k);
        } while ((i < a->n || k < b->n) && same <= 2 * CONTEXT);
        size_t behind = same < CONTEXT ? same : CONTEXT;
        hunk.a_end = i - (same - behind);
        hunk.b_end = k - (same - behind);
        print_hunk(out, a, b, marks, &hunk);
    }
}

void diff_unified(struct text *out, const char *from_name, const char *from,
                  const char *to_name, const char *to)
{
    struct lines a = {0}, b = {0};
    struct marks marks = {0};
    if (strcmp(from, to) == 0)
        return;
    if (split(&a, from) && split(&b, to) && mark(&a, &b, &marks)) {
        text_printf(out, "--- %s\n+++ %s\n", from_name, to_name);
        print_hunks(out, &a, &b, &marks);
    } else {
        out->failed = true;
    }
    free(a.at);
    free(b.at);
    free(marks.from);
    free(marks.to);
}
