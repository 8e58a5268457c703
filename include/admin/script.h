/* SPDX-License-Identifier: MIT */
/* The script that keeps the status page fresh. */
#ifndef ADMIN_SCRIPT_H
#define ADMIN_SCRIPT_H

#include "base/text.h"

/* Adds /page.js. */
void script_js(struct text *out);

#endif
