/* SPDX-License-Identifier: MIT */
/* What was fetched for a configuration, by name: it travels in the bundle as the files do that values name. */
#ifndef CONF_FETCHED_H
#define CONF_FETCHED_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/model.h"

/*
 * A name is one of these with what stands behind it: a list's URL, the path of the certificate that a staple is for. The
 * one name "points" stands for the URLs of lists that clients' certificates have named, one a line.
 */
#define FETCHED_CRL "crl:"
#define FETCHED_STAPLE "staple:"
#define FETCHED_POINTS "points"

/* Most URLs among the points; most bytes of a list, so that it can be kept in a file; of a staple. */
enum { FETCHED_POINTS_MOST = 64 };
#define FETCHED_CRL_MOST (((size_t)16 << 20) - 8192)
#define FETCHED_STAPLE_MOST ((size_t)64 << 10)

struct fetched_item {
    char *name, *bytes; /* owned */
    size_t length;
};

/* Zero is empty. Owner: master. */
struct fetched {
    struct fetched_item *items; /* owned */
    size_t n;
};

void fetched_fini(struct fetched *fetched);

/* Takes the index-th out. */
void fetched_drop(struct fetched *fetched, size_t index);

/*
 * Puts bytes under a name; both are copied.
 * Returns 1 when something has changed, 0 when they were there already, -1 with errno ENOMEM.
 */
int fetched_set(struct fetched *fetched, const char *name, const void *bytes, size_t length);

/* NULL: nothing has that name. */
const struct fetched_item *fetched_find(const struct fetched *fetched, const char *name);

/* Whether a configuration has a use for something of this name; points: as text, NULL = none are known. */
bool fetched_is_wanted(const struct model *model, const char *name,
                       const struct model_file *points);

/* Called with the name of everything that a configuration has a use for, "points" first, perhaps several times. */
typedef void fetched_tell(void *context, const char *name);
void fetched_list(const struct model *model, fetched_tell *tell, void *context);

/* The same for the lists of points. */
void fetched_list_points(const struct model_file *points, fetched_tell *tell, void *context);

/* Whether the service takes its lists from what clients' certificates name; whether any does. */
bool fetched_is_auto(const struct model_service *service);
bool fetched_wants_points(const struct model *model);

/*
 * Adds to a model what it has a use for, in place of what it had under the same names. Before it is packed.
 * Returns 0, or -1 with errno ENOMEM.
 */
int fetched_attach(struct model *model, const struct fetched *fetched);

/* What the model has under the name that the two texts make together; NULL: nothing yet. */
const struct model_file *fetched_of(const struct model *model, const char *kind,
                                    const char *rest);

/* Lists and staples are of no use any more, but for their names: gives their bytes back, as far as they are large. */
void fetched_release(struct model *model);

/* Steps through the URLs of points. url: room for each; at: 0 at first. False at the end. */
bool fetched_next_point(const struct model_file *points, size_t *at,
                        char url[MODEL_URL_MOST + 1]);

/*
 * One item as a sealed memfd (the caller's), and back: NULL item->name when it is none (errno EINVAL or ENOMEM). The item's
 * texts are the caller's (fetched_item_fini).
 */
int fetched_encode(const char *name, const void *bytes, size_t length);
int fetched_decode(int fd, struct fetched_item *out);
void fetched_item_fini(struct fetched_item *item);

/* The same as bytes, for a file that keeps it; back: 0, or -1 with errno EINVAL or ENOMEM. */
struct text;
void fetched_print(struct text *out, const char *name, const void *bytes, size_t length);
int fetched_parse(const char *bytes, size_t length, struct fetched_item *out);

#endif
