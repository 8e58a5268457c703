/* SPDX-License-Identifier: MIT */
/* THE table of calls: how users write them. The doors add what each does, gaidarosctl prints its help from it. */
#ifndef CTL_WORDS_H
#define CTL_WORDS_H

/*
 * X(name, handler, fields, sentence)
 * NOW    calls there are; handler: what admin/calls.c runs
 * LATER  calls of a later version
 * fields: names with blanks between them, those in [] may be left out
 */
/* clang-format off */
#define CALL_WORDS(NOW, LATER)                                                                              \
    NOW(reload, run_reload, "", "read the configuration file again")                                        \
    NOW(hostAdminDown, steer_host_down, "service group name", "take a host out: no new connections")        \
    NOW(hostDrain, steer_host_drain, "service group name [over]",                                           \
        "no new connections; with over, open ones are closed spread over that time")                        \
    NOW(hostAdminUp, steer_host_up, "service group name", "end hostAdminDown or hostDrain")                 \
    NOW(setWeight, steer_weight, "service group name weight", "give a host another weight, 0 to 256")       \
    NOW(retryHost, steer_retry, "service group name", "check a host now and end its ejection")              \
    NOW(enableGroup, steer_enable, "service group", "put another of a service's groups in force")           \
    NOW(closeLog, run_close_log, "", "open the logs anew, after they were renamed")                         \
    NOW(addHost, edit_add_host, "service group name address [weight] [max_connections] [slow_start] [check]",\
        "add a host to a group")                                                                            \
    NOW(delHost, edit_delete_host, "service group name",                                                    \
        "take a host out of its group for good; open connections go on")                                    \
    NOW(delAllHosts, edit_delete_all_hosts, "service group", "empty a group that is not in force")          \
    NOW(changeScheduler, edit_change_scheduler, "service group scheduler", "choose hosts in another way")   \
    NOW(newService, edit_new_service, "service listen group", "listen on an address for a group there is")  \
    NOW(delService, edit_delete_service, "service", "end a service; its groups stay")                       \
    NOW(newGroup, edit_new_group, "service group scheduler", "make an empty group, standby for a service")  \
    NOW(delGroup, edit_delete_group, "service group", "delete a group that is not in force")                \
    NOW(saveConfig, run_save, "", "write what runs to the file, keeping a copy of the old")                 \
    NOW(shutdown, run_shutdown, "", "end the daemon as by TERM")                                            \
    NOW(addUser, edit_add_user, "name password access", "let somebody in: access is full or readonly")      \
    NOW(delUser, edit_delete_user, "name", "let somebody in no more")                                       \
    NOW(killConnection, run_kill, "id", "end an open connection with resets")
/* clang-format on */

#endif
