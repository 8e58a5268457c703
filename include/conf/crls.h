/* SPDX-License-Identifier: MIT */
/* The value that says where a list of revoked certificates comes from. */
#ifndef CONF_CRLS_H
#define CONF_CRLS_H

#include "conf/values.h"

/* Most bytes of a list, in a file or fetched. */
#define CRL_MOST_BYTES ((size_t)16 << 20)

/* A file, an http:// URL, or the word auto; an element is a struct model_crl. */
extern const struct value_kind value_crl;

#endif
