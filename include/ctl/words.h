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
#define CALL_WORDS(NOW, LATER)                                                                            \
    NOW(reload, run_reload, "", "read the configuration file again")                                          \
    NOW(hostAdminDown, steer_host_down, "service group name", "take a host out: no new connections")            \
    NOW(hostDrain, steer_host_drain, "service group name [over]",                                               \
        "no new connections; with over, open ones are closed spread over that time")                      \
    NOW(hostAdminUp, steer_host_up, "service group name", "end hostAdminDown or hostDrain")                     \
    NOW(setWeight, steer_weight, "service group name weight", "give a host another weight, 0 to 256")           \
    NOW(retryHost, steer_retry, "service group name", "check a host now and end its ejection")                  \
    NOW(enableGroup, steer_enable, "service group", "put another of a service's groups in force")               \
    NOW(closeLog, run_close_log, "", "open the logs anew, after they were renamed")                           \
    LATER(addHost, "service group name address [weight] [max_connections] [slow_start] [check]")          \
    LATER(delHost, "service group name")                                                                  \
    LATER(delAllHosts, "service group")                                                                   \
    LATER(changeScheduler, "service group scheduler")                                                     \
    LATER(newService, "service listen group")                                                             \
    LATER(delService, "service")                                                                          \
    LATER(newGroup, "service group scheduler")                                                            \
    LATER(delGroup, "service group")                                                                      \
    LATER(addUser, "name password access")                                                                \
    LATER(delUser, "name")                                                                                \
    LATER(saveConfig, "")                                                                                 \
    LATER(killConnection, "id")                                                                           \
    LATER(shutdown, "")
/* clang-format on */

#endif
