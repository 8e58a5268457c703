/* SPDX-License-Identifier: MIT */
/* What anybody may see of a file that holds a private key: its certificates. */
#ifndef CONF_KEYLESS_H
#define CONF_KEYLESS_H

#include "base/text.h"
#include "conf/model.h"

/* Adds the blocks of certificates in PEM, whole, and nothing else; for a file without any nothing at all. */
void keyless_add(struct text *out, const struct model_file *file);

#endif
