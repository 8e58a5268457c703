/* SPDX-License-Identifier: MIT */
/* What the TLS keys of a service must say together. */
#ifndef CONF_CHECKTLS_H
#define CONF_CHECKTLS_H

#include "conf/model.h"
#include "conf/problems.h"
#include "conf/store.h"

/* section  the service's; faults and warnings go to problems. What the files hold is seen by who uses them. */
void check_tls(const struct model_service *service, const struct conf_section *section,
               struct problems *problems);

/* The same for a group and its hosts. */
void check_host_tls(const struct model_group *group, const struct conf_section *section,
                    struct problems *problems);

#endif
