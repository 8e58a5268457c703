/* SPDX-License-Identifier: MIT */
/* The values that name a certificate with its private key. */
#ifndef CONF_CERTIFICATE_H
#define CONF_CERTIFICATE_H

#include "conf/values.h"

/* A struct model_certificate; "" is none. */
extern const struct value_kind value_certificate;

#endif
