/* SPDX-License-Identifier: MIT */
/* Whether this machine has what a model names: users, folders, interfaces, a poller. */
#ifndef CONF_SURROUNDINGS_H
#define CONF_SURROUNDINGS_H

#include "conf/model.h"
#include "conf/problems.h"

/* Adds what a start on this machine would fail at; makes and changes nothing. */
void surroundings_check(const struct model *model, struct problems *problems);

#endif
