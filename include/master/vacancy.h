/* SPDX-License-Identifier: MIT */
/* Whether an address is free to be bound, given a moment. */
#ifndef MASTER_VACANCY_H
#define MASTER_VACANCY_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

/*
 * As sock_is_free, tried again for patience_ms while the address is in use: the workers of a master
 * that was killed need a moment to notice, and there is nobody left to say when they have.
 */
bool vacancy_wait(const struct addr *address, const char *interface, int64_t patience_ms);

#endif
