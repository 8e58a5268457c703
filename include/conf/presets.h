/* SPDX-License-Identifier: MIT */
/* Checks of well-known protocols, each written in the language of send and expect. */
#ifndef CONF_PRESETS_H
#define CONF_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* "redis", "postgres" …, in the order of the manual. */
const char *const *presets_names(size_t *n);

/*
 * Adds the steps of a preset: send "…" expect "…" or "…".
 * name       one of presets_names
 * arguments  n words behind the name
 * Returns false with a sentence in why when they do not fit.
 */
bool presets_write(struct text *out, const char *name, const char *const *arguments, size_t n,
                   struct text *why);

#endif
