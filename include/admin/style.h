/* SPDX-License-Identifier: MIT */
/* The look of the status page: its style sheet with its icon. */
#ifndef ADMIN_STYLE_H
#define ADMIN_STYLE_H

#include "base/text.h"

/* Adds /style.css. */
void style_css(struct text *out);

/* Adds /icon.svg. */
void style_icon(struct text *out);

#endif
