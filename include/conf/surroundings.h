/* SPDX-License-Identifier: MIT */
/* Whether this machine has what a model names: users, folders, interfaces, descriptors. */
#ifndef CONF_SURROUNDINGS_H
#define CONF_SURROUNDINGS_H

#include <stdbool.h>

#include "conf/model.h"
#include "conf/problems.h"

/*
 * Adds what a start on this machine would fail at; makes and changes nothing.
 * is_root  started by root: a named user must exist, the descriptor limit can be raised
 */
void surroundings_check(const struct model *model, bool is_root, struct problems *problems);

#endif
