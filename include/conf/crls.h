/* SPDX-License-Identifier: MIT */
/* The values that say where it is known from whether certificates were revoked. */
#ifndef CONF_CRLS_H
#define CONF_CRLS_H

#include "conf/values.h"

/* Most bytes of a list, in a file or fetched. */
#define CRL_MOST_BYTES ((size_t)16 << 20)

/* A file, an http:// URL, or the word auto; an element is a struct model_crl. */
extern const struct value_kind value_crl;

/* The words no and auto, or an http:// URL; the field is a struct model_responder. */
extern const struct value_kind value_responder;

#endif
