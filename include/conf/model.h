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
enum log_kind { LOGS_OFF, LOGS_STDERR, LOGS_SYSLOG, LOGS_SYSLOG_UDP, LOGS_FILE };
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
enum send_proxy { SEND_PROXY_NO, SEND_PROXY_V1, SEND_PROXY_V2 };
enum starttls { STARTTLS_NO, STARTTLS_POSTGRES, STARTTLS_SMTP, STARTTLS_IMAP };
enum tls_least { TLS_LEAST_1_2, TLS_LEAST_1_3 };
enum client_verify { CLIENT_VERIFY_NONE, CLIENT_VERIFY_OPTIONAL, CLIENT_VERIFY_REQUIRED };
enum crl_source { CRL_FILE, CRL_URL, CRL_AUTO };
enum crl_policy { CRL_STRICT, CRL_LENIENT };
enum ocsp_source { OCSP_NO, OCSP_AUTO, OCSP_URL };
enum ocsp_policy { OCSP_STRICT, OCSP_LENIENT };
enum host_tls { HOST_TLS_NO, HOST_TLS_YES, HOST_TLS_VERIFY };
enum on_down { ON_DOWN_KEEP, ON_DOWN_CLOSE };
enum check_kind { CHECK_NONE, CHECK_TCP, CHECK_TLS, CHECK_HTTP, CHECK_TALK };

/* A file that a value names: its bytes travel with the configuration. */
struct model_file {
    const char *path; /* absolute; "" = none is named */
    const unsigned char *bytes;
    size_t length;
};

/* One step of a check by `send … expect …`; bytes may hold NULs. */
struct model_text {
    const unsigned char *bytes;
    size_t length;
};
struct model_step {
    bool is_expect;           /* wait until one of texts is received; else send the one text */
    struct model_text *texts; /* expect "…" or "…" */
    size_t n_texts;
};

/* How hosts of a group are probed. */
struct model_check {
    enum check_kind kind;
    const char *text;          /* as written, for showing */
    const char *method, *path; /* CHECK_HTTP */
    int64_t status_least, status_most;
    struct model_step *steps; /* CHECK_TALK; presets are written in steps, too */
    size_t n_steps;
};

/* when_no_host */
struct model_no_host {
    enum no_host_action action;
    int64_t hold_ms;
    struct model_file sorry;
};

/* A source address of connections to hosts. */
struct model_bind {
    bool is_client;      /* the client's own (transparent) */
    struct addr address; /* port 0 */
};

/* Prefix lengths at which clients count as one source. */
struct model_prefixes {
    int64_t inet, inet6;
};

/* log, access_log */
struct log_target {
    enum log_kind kind;
    int facility;       /* LOGS_SYSLOG, LOGS_SYSLOG_UDP: as LOG_DAEMON */
    const char *path;   /* LOGS_FILE: absolute */
    struct addr server; /* LOGS_SYSLOG_UDP */
};

struct model_global {
    int64_t workers;          /* 0 = auto */
    const char *user, *group; /* "" = not given */
    bool daemon;
    const char *pidfile, *control; /* absolute; "" = none */
    const char *cache; /* absolute folder of what was fetched; "" = nothing is kept */
    bool has_own_pidfile, has_own_control; /* named by the user, not by default */
    struct log_target log;
    int64_t log_level; /* enum log_level */
    struct log_target access_log;
    enum access_format access_format;
    bool access_start;          /* a line also when a connection has its host */
    int64_t access_interval_ms; /* and every so long; 0 = none */
    int64_t max_connections;    /* per worker; 0 = by the descriptor limit */
    int64_t stuck_timeout_ms, adopt_timeout_ms, drain_timeout_ms;
    enum poller poller;
    int64_t spin_ns;                       /* 0 = sleep at once */
    int64_t stick_entries, source_entries; /* sizes of the tables in the segment */
    struct addr *resolvers;                /* DNS servers; none: resolv.conf's */
    size_t n_resolvers;
    int64_t ticket_rotation_ms;
    struct model_file ticket_secret; /* "" = none; only the director has its bytes */
};

struct model_user {
    const char *name, *hash;
    bool is_full;
};

/* A certificate with its chain, and its private key; both are withheld from whom the key is not for. */
struct model_certificate {
    struct model_file chain; /* PEM; "" = none is named */
    struct model_file key;   /* PEM; the same file, or one beside it */
};

/* Most bytes of a URL that something is fetched from. */
#define MODEL_URL_MOST 255

/* client_crl: where a list of revoked certificates comes from. */
struct model_crl {
    enum crl_source source;
    const char *text;       /* the path, the URL, "auto" */
    struct model_file file; /* CRL_FILE */
};

/* client_ocsp: who is asked about clients' certificates. */
struct model_responder {
    enum ocsp_source source;
    const char *text; /* "no", "auto", the URL */
};

/* tls_alpn */
struct model_protocols {
    const char *text; /* as written, words with a blank between; "" = none */
    const unsigned char
        *wire; /* each after its length, the most wanted first: as ALPN sends them */
    size_t wire_length;
};

/* users_file: the users stand in it. */
struct model_users_file {
    struct model_file file;
    struct model_user *users;
    size_t n;
};

struct model_listen {
    struct addr address;
    const char *interface; /* "" = any */
    int64_t backlog;       /* default 4096 */
    bool tls;
    enum starttls starttls; /* with tls: what is spoken in plain before it */
    bool insecure;          /* [admin] only */
    struct addr_network
        *proxies;     /* who must begin with a PROXY header; nobody else may enter */
    size_t n_proxies; /* 0 = there are no headers */
    struct origin origin;
};

struct model_admin {
    struct model_listen *listens;
    size_t n_listens;
    struct model_user *users; /* of [admin] itself */
    size_t n_users;
    struct model_users_file users_file;
    struct model_certificate certificate;
    int64_t refresh_ms;
    const char *title, *url;
};

/*
 * A host. One whose address is a name stands here once for each address the name is known to
 * have, as NAME@ADDRESS when there are several; while none is known it stands here once, with an
 * address of family AF_UNSPEC.
 */
struct model_host {
    const char *name;
    struct addr address;
    const char *address_text; /* as written in the file; of a name that is known, the address */
    const char *line_name;    /* as name, without what stands behind the @ */
    /* In lower case "name.example" or "srv:_http._tcp.name.example"; "" = a literal address. */
    const char *lookup;
    uint16_t lookup_port;    /* 0 for srv */
    int64_t weight;          /* 0 to 256 */
    int64_t max_connections; /* 0 = no limit */
    enum host_setting state;
    int64_t slow_start_ms;     /* 0 = none */
    struct addr check_address; /* check=: where it is probed; AF_UNSPEC = address */
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
    int64_t eject_most; /* percent */
    int64_t fail_open;  /* percent of hosts below which all are tried; 0 = never */
    enum on_down on_down;
    int64_t sticky_ms; /* 0 = none */
    int64_t pool;      /* connections to each host kept open ahead of need, a worker */
    struct model_check check;
    int64_t check_interval_ms, check_timeout_ms;
    int64_t rise, fall;
    struct model_file tls_ca;
    const char *tls_name; /* "" = none */
    enum send_proxy send_proxy;
    enum host_tls tls;
    struct model_certificate tls_certificate; /* shown to hosts that ask for one */
    struct model_bind *binds;
    size_t n_binds;
    const char *congestion; /* "" = system's */
    struct origin origin;
};

enum route_kind { ROUTE_SNI, ROUTE_ALPN, ROUTE_SOURCE };

/* Which connections another group gets. */
struct model_route {
    enum route_kind kind;
    const char *
        word; /* ROUTE_SNI: a host name in lower case, or "*." and one; ROUTE_ALPN: a protocol */
    struct addr_network network; /* ROUTE_SOURCE */
    size_t group;                /* index into groups */
    size_t place;                /* of that group in the service's places */
    struct origin origin;
};

struct model_service {
    const char *name;
    enum protocol protocol;
    struct model_listen *listens;
    size_t n_listens;
    size_t first_listen; /* index of listens[0] among all listens of all services, in order */
    size_t group;        /* index into groups */
    size_t *standby;     /* indexes into groups, in their order */
    size_t n_standby;
    struct model_route *routes; /* the first that fits decides */
    size_t n_routes;
    /* Each of its groups once, by its place: `group`, each of `standby`, then those of routes alone. */
    size_t *places;
    size_t n_places;
    bool failover;
    struct addr_network *allow, *deny;
    size_t n_allow, n_deny;                              /* no allow: everybody */
    int64_t max_connections, max_connections_per_source; /* 0 = no limit */
    int64_t connection_rate_per_source;                  /* events an hour; 0 = no limit */
    int64_t connection_rate_burst; /* the events of the unit it was written in: 100/s: 100 */
    struct model_no_host when_no_host;
    struct model_prefixes share_sources;
    int64_t connect_timeout_ms, idle_timeout_ms, half_close_timeout_ms, handshake_timeout_ms;
    int64_t lifetime_ms;     /* 0 = none */
    int64_t lifetime_spread; /* percent: ends are spread by as much to either side */
    int64_t user_timeout_ms; /* 0 = none */
    int64_t retries;
    bool nodelay, cork, half_close, keepalive;
    const char *congestion; /* "" = system's */
    struct model_certificate
        *certificates; /* the first is for clients that name none of them */
    size_t n_certificates;
    enum tls_least tls_min;
    const char *tls_ciphers; /* "" = Mozilla's intermediate ones */
    struct model_protocols tls_alpn;
    struct model_file client_ca;
    enum client_verify client_verify;
    int64_t client_depth; /* certificates between a client's own and one of client_ca */
    struct model_crl *crls;
    size_t n_crls; /* 0 = nobody asks whether a certificate was revoked */
    enum crl_policy crl_policy;
    struct model_responder client_ocsp;
    enum ocsp_policy ocsp_policy;
    int64_t ocsp_timeout_ms, ocsp_cache_ms;
    bool ocsp_stapling;
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
