/* SPDX-License-Identifier: MIT */
/* All figures in Prometheus' text format. */
#ifndef ADMIN_FIGURES_H
#define ADMIN_FIGURES_H

#include "admin/status.h"
#include "base/text.h"

/*
 * Adds /metrics (Prometheus text exposition format 0.0.4). A group that several services use is shown with the first of
 * them: its hosts have one set of figures.
 */
void figures_text(struct text *out, const struct status *status);

#endif
