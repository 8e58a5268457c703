/* SPDX-License-Identifier: MIT */
/* From lines to a model: defaults, values, references within the file. */
#ifndef CONF_ASSEMBLE_H
#define CONF_ASSEMBLE_H

#include <stdint.h>

#include "conf/model.h"
#include "conf/problems.h"
#include "conf/store.h"

/* Beyond so many errors no nearest word is looked for: it costs time. */
#define PROBLEMS_SUGGEST_MOST 200

/* A service whose group could not be found has this index; such a model never leaves conf_load. */
#define MODEL_NO_GROUP SIZE_MAX

/*
 * Builds the model, which then owns the store. Faults become problems, the fields they are
 * about keep their defaults, so that check can look at the rest.
 * Returns the model, or NULL when memory ran out (the store stays the caller's).
 */
struct model *model_assemble(struct conf_store *store, struct problems *problems);

#endif
