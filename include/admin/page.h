/* SPDX-License-Identifier: MIT */
/* The status page, for people. */
#ifndef ADMIN_PAGE_H
#define ADMIN_PAGE_H

#include "admin/status.h"
#include "base/text.h"

/*
 * Adds the page as HTML: whole and readable without scripts, and with the hooks (ids, order of
 * rows and cells) by which admin/script.c keeps it fresh. Every name is escaped.
 */
void page_html(struct text *out, const struct status *status);

#endif
