/* SPDX-License-Identifier: MIT */
/* From the table and a model to text: dump, manual tables, help. */
#ifndef CONF_WRITE_H
#define CONF_WRITE_H

#include "base/text.h"
#include "conf/model.h"

/* Adds the effective configuration, defaults filled in, in the file's own format; parses back to an equal model. */
void conf_write(struct text *out, const struct model *model);

/* Adds the keys of [global], with blanks between, that differ but that a reload does not change; nothing when there is none. */
void conf_write_restarts(struct text *out, const struct model *now, const struct model *next);

/* Adds the roff tables of gaidaros.conf(5), one per section, from the directives table. */
void conf_write_manual(struct text *out);

/* The keys that are supported, section by section, with their defaults and sentences: for --help. */
void conf_write_help(struct text *out);

/* Words for enums as the file spells them ("roundrobin"); never NULL. */
const char *conf_scheduler_word(enum scheduler_kind kind);

#endif
