/* SPDX-License-Identifier: MIT */
/* The scripts and the style of the page, which are files beside the code and lie in the program. */
#ifndef ADMIN_ASSETS_H
#define ADMIN_ASSETS_H

#include "base/text.h"

/* Adds /page.js, which keeps the page fresh. */
void asset_page_js(struct text *out);

/* Adds /control.js and /control.css: finding, sorting, views, and what a user with access full can change. */
void asset_control_js(struct text *out);
void asset_control_css(struct text *out);

#endif
