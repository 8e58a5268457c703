/* SPDX-License-Identifier: MIT */
/* The value of check: how hosts are probed, as a small language of what to send and what to expect. */
#ifndef CONF_TALK_H
#define CONF_TALK_H

#include "conf/values.h"

#define TALK_ANSWER_BYTES                                                                      \
    16384 /* of an answer no more is read, so no longer text is expected */

/*
 * A struct model_check: none, tcp, tls, http [METHOD] PATH [STATUS], steps as
 * send "…" expect "…" or "…", or a preset (conf/presets.h), which is steps as well.
 */
extern const struct value_kind value_check;

#endif
