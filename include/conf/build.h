/* SPDX-License-Identifier: MIT */
/* From text to a checked model, with every problem named. */
#ifndef CONF_BUILD_H
#define CONF_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/addresses.h"
#include "conf/model.h"
#include "conf/problems.h"

/* A setting from the command line: stands over the file's, also at every reload. */
struct conf_override {
    const char *section, *key, *value; /* as "global", "workers", "4" */
};

struct conf_request {
    const char *path; /* file to read; NULL: text is the whole configuration */
    const char *text; /* used when path is NULL; its lines are named "command line" */
    const struct conf_override *overrides;
    size_t n_overrides;
    const struct addresses *addresses; /* what names mean; NULL = nothing is known of any */
};

/*
 * Reads, builds and checks one configuration; reads every file it names.
 * Returns the model (the caller's: conf_free), or NULL when there is any error; warnings may
 * be there either way. Binds nothing and writes nothing.
 */
struct model *conf_load(const struct conf_request *request, struct problems *problems);

/* Frees the model and all it holds; NULL does nothing. */
void conf_free(struct model *model);

#endif
