/* SPDX-License-Identifier: MIT */
/* One configuration as plain data: what the user asked for, no run-time state. */
#ifndef CONF_MODEL_H
#define CONF_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/poller.h"

/* Where a value was written; file is NULL for a default. */
struct origin {
    const char *file; /* as given, or "command line" */
    uint32_t line;
};

enum protocol { PROTOCOL_TCP, PROTOCOL_UDP };
enum log_kind { LOGS_OFF, LOGS_STDERR, LOGS_SYSLOG, LOGS_FILE };
enum access_format { ACCESS_TEXT, ACCESS_JSON };
enum scheduler_kind {
    SCHEDULER_ROUNDROBIN,
    SCHEDULER_LEASTCONN,
    SCHEDULER_RANDOM,
    SCHEDULER_WEIGHTED,
    SCHEDULER_TWOCHOICES,
    SCHEDULER_SOURCE,
    SCHEDULER_MAGLEV,
    SCHEDULER_FIRST
};
enum host_setting { HOST_SET_UP, HOST_SET_DRAIN, HOST_SET_DOWN };
enum no_host_action { NO_HOST_CLOSE, NO_HOST_HOLD, NO_HOST_SORRY };

/* log, access_log */
struct log_target {
    enum log_kind kind;
    int facility;     /* LOGS_SYSLOG: as LOG_DAEMON */
    const char *path; /* LOGS_FILE: absolute */
};

struct model_global {
    int64_t workers;          /* 0 = auto */
    const char *user, *group; /* "" = not given */
    bool daemon;
    const char *pidfile, *control;         /* absolute; "" = none */
    bool has_own_pidfile, has_own_control; /* named by the user, not by default */
    struct log_target log;
    int64_t log_level; /* enum log_level */
    struct log_target access_log;
    enum access_format access_format;
    int64_t max_connections; /* per worker; 0 = by the descriptor limit */
    int64_t stuck_timeout_ms, adopt_timeout_ms, drain_timeout_ms;
    enum poller poller;
    int64_t spin_ns;                       /* 0 = sleep at once */
    int64_t stick_entries, source_entries; /* later issues; defaults only */
};

struct model_user {
    const char *name, *hash;
    bool is_full;
};

struct model_listen {
    struct addr address;
    const char *interface; /* "" = any */
    int64_t backlog;       /* default 4096 */
    bool insecure;         /* [admin] only */
    struct origin origin;
};

struct model_admin {
    struct model_listen *listens;
    size_t n_listens;
    struct model_user *users; /* later issue: always none for now */
    size_t n_users;
    int64_t refresh_ms;
    const char *title, *url;
};

struct model_host {
    const char *name;
    struct addr address;
    const char *address_text; /* as written in the file */
    int64_t weight;           /* 0 to 256 */
    int64_t max_connections;  /* 0 = no limit */
    enum host_setting state;
    const char *line; /* the value as written, to see whether it changed over a reload */
    struct origin origin;
};

struct model_group {
    const char *name;
    enum scheduler_kind scheduler;
    struct model_host *hosts;
    size_t n_hosts;
    size_t first_host; /* index of hosts[0] among all hosts of the model, in order */
    int64_t queue_timeout_ms;
    int64_t eject_failures; /* 0 = off */
    int64_t eject_time_ms;
    int64_t eject_most;     /* percent */
    const char *congestion; /* "" = system's */
    struct origin origin;
};

struct model_service {
    const char *name;
    enum protocol protocol;
    struct model_listen *listens;
    size_t n_listens;
    size_t first_listen; /* index of listens[0] among all listens of all services, in order */
    size_t group;        /* index into groups */
    int64_t connect_timeout_ms, idle_timeout_ms, half_close_timeout_ms;
    int64_t lifetime_ms;     /* 0 = none */
    int64_t lifetime_spread; /* percent: ends are spread by as much to either side */
    int64_t user_timeout_ms; /* 0 = none */
    int64_t retries;
    bool nodelay, cork, half_close, keepalive;
    const char *congestion; /* "" = system's */
    struct origin origin;
};

/*
 * Everything lies in one arena and lives until conf_free; immutable once built.
 * Strings are never NULL unless a comment says so.
 */
struct model {
    const char *path;   /* of the main file; "command line" when there is none */
    const char *folder; /* absolute folder that relative paths count from */
    struct model_global global;
    struct model_admin admin;
    struct model_group *groups;
    size_t n_groups, n_hosts; /* n_hosts: of all groups */
    struct model_service *services;
    size_t n_services, n_listens; /* n_listens: of all services */
    struct conf_store *store; /* the arena, the effective key/value lines with their origins */
};

#endif
