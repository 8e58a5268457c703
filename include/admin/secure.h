/* SPDX-License-Identifier: MIT */
/* Whether HTTPS can be had with the certificate that [admin] names. */
#ifndef ADMIN_SECURE_H
#define ADMIN_SECURE_H

#include <stdbool.h>

#include "conf/model.h"
#include "conf/problems.h"

/* By those who will speak TLS with it: TLS 1.2 and 1.3. */
#define SECURE_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/*
 * Tries the certificate with its key, of a model that has come with its keys; adds what is wrong, warns when its time is
 * over. True when there is none. Safe on any thread.
 */
bool secure_verify(const struct model *model, struct problems *problems);

#endif
