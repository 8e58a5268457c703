/* SPDX-License-Identifier: MIT */
/* Run-time files: where they are, whether the default places can be used. */
#ifndef MASTER_PATHS_H
#define MASTER_PATHS_H

#include "base/text.h"
#include "conf/model.h"

/* What of the default places is to be used. */
struct run_paths {
    const char *pidfile, *control; /* of the model; NULL = none */
};

/*
 * Root makes the folder of the default places; others skip them. A configuration without a file
 * has neither, unless it was named.
 * notes  gets a warning sentence for each default place that is skipped
 */
struct run_paths paths_resolve(const struct model_global *global, bool is_one_line,
                               struct text *notes);

/* The path with the working folder in front when it is relative; the caller frees it. NULL with errno. */
char *paths_make_absolute(const char *path);

#endif
