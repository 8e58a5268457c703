/* SPDX-License-Identifier: MIT */
/* What --version prints: this program and the libraries it runs with. */
#ifndef MASTER_VERSIONS_H
#define MASTER_VERSIONS_H

#include "base/text.h"

void versions_print(struct text *out);

#endif
