/* SPDX-License-Identifier: MIT */
/* What rows are called. */
#include "share/labels.h"

#include <stdio.h>
#include <string.h>

void label_set(struct label *label, const char *name, const char *address)
{
    snprintf(label->name, sizeof label->name, "%s", name);
    snprintf(label->address, sizeof label->address, "%s", address != NULL ? address : "");
}

void label_read(const struct label *label, struct label *out)
{
    memcpy(out, label, sizeof *out);
    out->name[sizeof out->name - 1] = '\0';
    out->address[sizeof out->address - 1] = '\0';
}
