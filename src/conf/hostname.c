/* SPDX-License-Identifier: MIT */
/* What a host's certificate must be for. */
#include "conf/hostname.h"

#include <string.h>

const char *model_tls_name(const struct model_group *group, const struct model_host *host,
                           char address[ADDR_TEXT_BYTES])
{
    if (group->tls_name[0] != '\0')
        return group->tls_name;
    if (host->lookup[0] != '\0' && strncmp(host->lookup, "srv:", 4) != 0)
        return host->lookup;
    return addr_print_host(address, &host->address);
}
