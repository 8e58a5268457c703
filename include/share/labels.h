/* SPDX-License-Identifier: MIT */
/* What rows are called: so that also what no configuration names any more, but a connection still uses, has its name. */
#ifndef SHARE_LABELS_H
#define SHARE_LABELS_H

#include <stdint.h>

struct segment;

#define LABEL_NAME_BYTES 52
#define LABEL_ADDRESS_BYTES 76

/* By master, when a row goes to somebody new; a reader copies it, then looks whether the row is still in that use. */
struct label {
    char name[LABEL_NAME_BYTES];
    char address[LABEL_ADDRESS_BYTES]; /* of a host */
};

/* Writes it; what is too long is cut. address: NULL = none */
void label_set(struct label *label, const char *name, const char *address);

/* Copies it, NUL-terminated whatever stands there. */
void label_read(const struct label *label, struct label *out);

#endif
