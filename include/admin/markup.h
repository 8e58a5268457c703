/* SPDX-License-Identifier: MIT */
/* Pieces of HTML that parts of the page share. */
#ifndef ADMIN_MARKUP_H
#define ADMIN_MARKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/status.h"
#include "base/text.h"

#define MARKUP_DASH "\xe2\x80\x93"

/*
 * Adds a state as a badge: "admin_down" is shown as "admin down", and is the badge's class as it is.
 * id  "" for none
 */
void markup_badge(struct text *out, const char *id, const char *state);

/* Adds a bar; one that shows a limit is marked when it is reached. */
void markup_bar(struct text *out, uint64_t part, uint64_t whole, bool is_limit);

/* Cells of a table; the label is shown beside the value where the page is narrow. */
void markup_count_cell(struct text *out, const char *label, uint64_t count, bool is_bad);
void markup_bytes_cell(struct text *out, const char *label, uint64_t bytes);

/* A cell for what only the script can know, since it takes two looks. */
void markup_rate_cell(struct text *out);

/* Adds how long ago it was; the moment itself as a title. */
void markup_age(struct text *out, int64_t since_ns, int64_t wall_ns);

/* Adds the moment as people write it: 2026-11-22 07:00:00Z. */
void markup_moment(struct text *out, int64_t wall_ns);

/* Adds why the host is in its state, in words, escaped. */
void markup_why(struct text *out, const struct status_host *host);

/* True for a state that nobody asked for: down, ejected, unresolved. */
bool markup_is_fault(enum host_state state);

#endif
