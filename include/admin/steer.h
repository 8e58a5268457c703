/* SPDX-License-Identifier: MIT */
/* The calls that change rows: hosts taken out and back, weights, the group in force. */
#ifndef ADMIN_STEER_H
#define ADMIN_STEER_H

#include "admin/calls.h"

/*
 * Each is one store to each row it names, after which every worker's next pick acts on it; then
 * struct admin_actions' changed, one log line a row, and the answer. What is asked for already
 * is no fault.
 * fields  as the table of calls promises them
 */
call_handler steer_host_down, steer_host_drain, steer_host_up, steer_weight, steer_retry,
    steer_enable;

#endif
