/* SPDX-License-Identifier: MIT */
/* The status page's card of a service: its figures, its groups, their hosts. */
#ifndef ADMIN_CARD_H
#define ADMIN_CARD_H

#include <stddef.h>

#include "admin/status.h"
#include "base/text.h"

/* Adds the card. service: index into the model's services. */
void card_html(struct text *out, const struct status *status, size_t service);

#endif
