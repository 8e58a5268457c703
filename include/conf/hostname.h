/* SPDX-License-Identifier: MIT */
/* What a host's certificate must be for. */
#ifndef CONF_HOSTNAME_H
#define CONF_HOSTNAME_H

#include "conf/model.h"

/*
 * tls_name, else the name or the address that the file names the host by.
 * address  room for the latter
 * Returns one of these; it lives as long as the model and address do.
 */
const char *model_tls_name(const struct model_group *group, const struct model_host *host,
                           char address[ADDR_TEXT_BYTES]);

#endif
