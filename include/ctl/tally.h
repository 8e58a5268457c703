/* SPDX-License-Identifier: MIT */
/* Two looks at running.json as lines: services, hosts with those first that matter, workers, and what they do a second. */
#ifndef CTL_TALLY_H
#define CTL_TALLY_H

#include <stdbool.h>

#include <jansson.h>

#include "base/text.h"

/* Zero is none yet. */
struct tally {
    json_t *now, *then; /* owned: the last two looks */
    double between_s;   /* them */
    double looked_s;    /* when the last was */
};

enum { TALLY_SORTS = 3 };

/* How it is to be shown. */
struct tally_view {
    int sort; /* below TALLY_SORTS; 0 = those that fail first, then those that do most */
    const char *
        filter; /* what a host's name, address, state, reason, service or group must hold; "" = all hosts */
    bool is_paused;
};

void tally_fini(struct tally *tally);

/*
 * Takes the next look.
 * body      /running.json as it came
 * looked_s  when, on any clock that does not go back
 * Returns false for what shows no services, as from a daemon that starts; then nothing has changed.
 */
bool tally_take(struct tally *tally, const char *body, double looked_s);

/* Adds the lines of the last look, without control characters but newlines. Nothing before the first. */
void tally_add_lines(struct text *out, const struct tally *tally,
                     const struct tally_view *view);

#endif
