/* SPDX-License-Identifier: MIT */
/* The calls that change the structure: hosts, groups, services, users. */
#ifndef ADMIN_RESTRUCTURE_H
#define ADMIN_RESTRUCTURE_H

#include "admin/calls.h"

/* Each hands master one edit, see conf/edit.h, and waits until every process acts on it, or for the refusal. */
call_handler edit_add_host, edit_delete_host, edit_delete_all_hosts, edit_change_scheduler,
    edit_new_service, edit_delete_service, edit_new_group, edit_delete_group, edit_add_user,
    edit_delete_user;

#endif
