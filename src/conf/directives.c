/* SPDX-License-Identifier: MIT */
/* THE table: every key of the file with its type, default, bounds, unit, reach and sentence. */
#include "conf/directives.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "conf/attached.h"
#include "conf/certificate.h"
#include "conf/clauses.h"
#include "conf/crls.h"
#include "conf/endpoints.h"
#include "conf/logtargets.h"
#include "conf/networks.h"
#include "conf/protocols.h"
#include "conf/talk.h"
#include "conf/users.h"
#include "conf/ways.h"

#define FIELD(type, member)                                                                    \
    .offset = offsetof(struct type, member), .bytes = sizeof(((struct type *)0)->member)
#define LIST(type, array, count)                                                               \
    .offset = offsetof(struct type, array), .count_offset = offsetof(struct type, count),      \
    .bytes = sizeof(*((struct type *)0)->array), .repeats = true
#define WORDS(table) .words = (table), .n_words = sizeof(table) / sizeof((table)[0])

static const struct value_word log_levels[] = {
    {"error", LEVEL_ERROR, false},
    {"warning", LEVEL_WARNING, false},
    {"info", LEVEL_INFO, false},
    {"debug", LEVEL_DEBUG, false},
};
static const struct value_word access_formats[] = {
    {"text", ACCESS_TEXT, false},
    {"json", ACCESS_JSON, false},
};
static const struct value_word pollers[] = {
    {"auto", POLLER_AUTO, false},         {"epoll", POLLER_EPOLL, false},
    {"linuxaio", POLLER_LINUXAIO, false}, {"iouring", POLLER_IOURING, false},
    {"poll", POLLER_POLL, false},         {"select", POLLER_SELECT, false},
};
static const struct value_word protocols[] = {
    {"tcp", PROTOCOL_TCP, false},
    {"udp", PROTOCOL_UDP, true},
};
static const struct value_word schedulers[] = {
    {"roundrobin", SCHEDULER_ROUNDROBIN, false}, {"leastconn", SCHEDULER_LEASTCONN, false},
    {"random", SCHEDULER_RANDOM, false},         {"weighted", SCHEDULER_WEIGHTED, false},
    {"twochoices", SCHEDULER_TWOCHOICES, false}, {"source", SCHEDULER_SOURCE, false},
    {"maglev", SCHEDULER_MAGLEV, false},         {"first", SCHEDULER_FIRST, false},
};

static const struct value_word tls_leasts[] = {
    {"1.2", TLS_LEAST_1_2, false},
    {"1.3", TLS_LEAST_1_3, false},
};
static const struct value_word client_verifies[] = {
    {"none", CLIENT_VERIFY_NONE, false},
    {"optional", CLIENT_VERIFY_OPTIONAL, false},
    {"required", CLIENT_VERIFY_REQUIRED, false},
};
static const struct value_word crl_policies[] = {
    {"strict", CRL_STRICT, false},
    {"lenient", CRL_LENIENT, false},
};
static const struct value_word ocsp_policies[] = {
    {"strict", OCSP_STRICT, false},
    {"lenient", OCSP_LENIENT, false},
};
static const struct value_word host_tlses[] = {
    {"no", HOST_TLS_NO, false},
    {"yes", HOST_TLS_YES, false},
    {"verify", HOST_TLS_VERIFY, false},
};
static const struct value_word on_downs[] = {
    {"keep", ON_DOWN_KEEP, false},
    {"close", ON_DOWN_CLOSE, false},
};
static const struct value_word send_proxies[] = {
    {"no", SEND_PROXY_NO, false},
    {"v1", SEND_PROXY_V1, false},
    {"v2", SEND_PROXY_V2, false},
};

/* clang-format off */
static const struct directive rows[] = {
    { SECTION_GLOBAL, "workers", &value_workers, FIELD(model_global, workers), .def = "auto", .min = "1", .max = "256",
      .says = "Worker processes: auto is one for each core that the daemon may use, lowered to the cgroup's quota." },
    { SECTION_GLOBAL, "user", &value_name, FIELD(model_global, user), .def = "", .reach = REACH_RESTART,
      .says = "Account that workers and the director run as when the daemon was started by root; empty is gaidaros, or nobody where there is no such account." },
    { SECTION_GLOBAL, "group", &value_name, FIELD(model_global, group), .def = "", .reach = REACH_RESTART,
      .says = "Group that workers and the director run as when the daemon was started by root; empty is the account's own." },
    { SECTION_GLOBAL, "daemon", &value_bool, FIELD(model_global, daemon), .def = "no", .reach = REACH_RESTART,
      .says = "Go to the background once every listener is bound and every worker accepts." },
    { SECTION_GLOBAL, "pidfile", &value_path, FIELD(model_global, pidfile), .def = "/run/gaidaros/gaidaros.pid", .may_be_empty = true, .reach = REACH_RESTART,
      .says = "File that holds the process id of the master while the daemon runs; empty is none." },
    { SECTION_GLOBAL, "control", &value_socket_path, FIELD(model_global, control), .def = "/run/gaidaros/control.sock", .may_be_empty = true, .reach = REACH_RESTART,
      .says = "Control socket for gaidarosctl, open to its owner alone; empty is none." },
    { SECTION_GLOBAL, "include", &value_pattern, .repeats = true,
      .says = "Further files, as a name or a pattern below this file's folder, with the same owner, writable by nobody else, without [global]; a plain name must exist." },
    { SECTION_GLOBAL, "resolver", &value_resolver, LIST(model_global, resolvers, n_resolvers), .def = "",
      .says = "DNS server that is asked what names of hosts mean, as an IP address with a port (53 where there is none); empty is those of resolv.conf." },
    { SECTION_GLOBAL, "cache", &value_path, FIELD(model_global, cache), .def = "/var/lib/gaidaros", .may_be_empty = true,
      .says = "Folder in which fetched revocation lists and staples are kept, so that a restart has them at once; it is the master that writes there. Empty is nowhere." },
    { SECTION_GLOBAL, "ticket_rotation", &value_duration, FIELD(model_global, ticket_rotation_ms), .def = "8h", .min = "1s", .max = "2d", .reach = REACH_NOW,
      .says = "How long a key seals the tickets by which TLS clients resume their sessions; the two before it open them still. The keys are shared by all workers, and made by chance unless ticket_secret says otherwise." },
    { SECTION_GLOBAL, "ticket_secret", &value_secret, FIELD(model_global, ticket_secret), .def = "", .reach = REACH_NOW,
      .says = "File of 32 bytes to 64 KiB by chance that others may not read, from which the keys of tickets are derived, so that sessions resume on all nodes that have the same file and the same ticket_rotation; empty is keys of this daemon's own." },
    { SECTION_GLOBAL, "log", &value_log, FIELD(model_global, log), .def = "stderr",
      .says = "Where messages go: stderr, syslog, syslog:FACILITY, syslog@ADDRESS[:PORT][:FACILITY] (a syslog server, by UDP in the form of RFC 5424), or a file; in the background, where stderr leads nowhere, syslog stands in for it, with a warning. A fifo needs no reader: what it cannot take is dropped and counted." },
    { SECTION_GLOBAL, "log_level", &value_word, FIELD(model_global, log_level), .def = "info", WORDS(log_levels),
      .says = "Least urgent messages that are written." },
    { SECTION_GLOBAL, "access_log", &value_access_log, FIELD(model_global, access_log), .def = "off",
      .says = "Where a line for each finished connection goes: off, syslog, syslog:FACILITY, syslog@ADDRESS[:PORT][:FACILITY], or a file, which may be a fifo as for log." },
    { SECTION_GLOBAL, "access_format", &value_word, FIELD(model_global, access_format), .def = "text", WORDS(access_formats),
      .says = "Form of the access log's lines." },
    { SECTION_GLOBAL, "access_start", &value_bool, FIELD(model_global, access_start), .def = "no", .reach = REACH_NOW,
      .says = "Write a line of the access log, with status=open, also when a connection has got its host." },
    { SECTION_GLOBAL, "access_interval", &value_duration, FIELD(model_global, access_interval_ms), .def = "0", .min = "0", .max = "1d", .reach = REACH_NOW,
      .says = "Write such a line for each connection that has lived for so long since its last one; 0 is never, 1s the shortest." },
    { SECTION_GLOBAL, "max_connections", &value_number, FIELD(model_global, max_connections), .def = "0", .min = "0", .max = "131072",
      .says = "Most connections that one worker holds at a time; 0 is what the file descriptor limit allows." },
    { SECTION_GLOBAL, "stick_entries", &value_number, FIELD(model_global, stick_entries), .def = "100000", .min = "1", .max = "100000000", .reach = REACH_RESTART,
      .says = "Sources that the stick table remembers the host of; when it is full the oldest is forgotten." },
    { SECTION_GLOBAL, "source_entries", &value_number, FIELD(model_global, source_entries), .def = "100000", .min = "1", .max = "100000000", .reach = REACH_RESTART,
      .says = "Sources whose connections can be counted at a time, over all services that limit them." },
    { SECTION_GLOBAL, "stuck_timeout", &value_duration, FIELD(model_global, stuck_timeout_ms), .def = "5s", .min = "100ms", .max = "1h",
      .says = "Kill and replace a worker, or the director, that has been silent for so long." },
    { SECTION_GLOBAL, "adopt_timeout", &value_duration, FIELD(model_global, adopt_timeout_ms), .def = "500ms", .min = "20ms", .max = "1h",
      .says = "Let the other workers take the waiting clients of one that has been silent for so long; must be less than stuck_timeout." },
    { SECTION_GLOBAL, "drain_timeout", &value_duration, FIELD(model_global, drain_timeout_ms), .def = "10s", .min = "0", .max = "7d",
      .says = "At SIGTERM, how long open connections may take to finish." },
    { SECTION_GLOBAL, "poller", &value_word, FIELD(model_global, poller), .def = "auto", WORDS(pollers), .reach = REACH_RESTART,
      .says = "Kernel interface that the event loops of the workers use; master and director, which carry no connections, use epoll." },
    { SECTION_GLOBAL, "spin", &value_spin, FIELD(model_global, spin_ns), .def = "0", .min = "0", .max = "100ms",
      .says = "Poll for so long before sleeping (as 50us): lower latency for a core's whole time." },
    { SECTION_GLOBAL, "locale", &value_other, .def = "", .is_later = true,
      .says = "Language of messages; empty is the environment's." },

    { SECTION_ADMIN, "listen", &value_admin_listen, LIST(model_admin, listens, n_listens),
      .says = "Address of the status page. Options behind it: tls makes it HTTPS; one beyond loopback needs tls and a user, or the word insecure." },
    { SECTION_ADMIN, "certificate", &value_certificate, FIELD(model_admin, certificate), .def = "",
      .says = "Certificate of HTTPS, in PEM, with its chain behind it; the private key stands in the same file or beside it, as admin.key by admin.pem. A file that holds a key must not be readable by others." },
    { SECTION_ADMIN, "user", &value_user, LIST(model_admin, users, n_users), .def = "",
      .says = "Name, crypt(3) hash as gaidarosctl hash makes it, and full or readonly: with any user, the doors but the control socket ask for a password. The file must not be readable by others." },
    { SECTION_ADMIN, "users_file", &value_users_file, FIELD(model_admin, users_file), .def = "",
      .says = "File with the same three fields, one user a line; it must not be readable by others." },
    { SECTION_ADMIN, "refresh", &value_duration, FIELD(model_admin, refresh_ms), .def = "5s", .min = "1s", .max = "1d",
      .says = "How often the page renews itself." },
    { SECTION_ADMIN, "title", &value_text, FIELD(model_admin, title), .def = "gaidaros", .max = "200",
      .says = "Heading of the page." },
    { SECTION_ADMIN, "url", &value_text, FIELD(model_admin, url), .def = "", .max = "2000",
      .says = "Where the heading links to; empty is nowhere." },

    { SECTION_SERVICE, "listen", &value_listen, LIST(model_service, listens, n_listens), .is_required = true,
      .says = "Address that clients connect to; *:PORT is both families. Options behind it: backlog=N (connections that may wait to be accepted), interface=NAME, tls (clients speak TLS, see TLS), starttls=postgres, smtp or imap (after they have asked for it in plain), accept_proxy=NETWORK,... (clients come through proxies in these networks, which must begin with a PROXY header, see PROXY PROTOCOL)." },
    { SECTION_SERVICE, "protocol", &value_word, FIELD(model_service, protocol), .def = "tcp", WORDS(protocols),
      .says = "What clients speak below the application." },
    { SECTION_SERVICE, "group", &value_reference, FIELD(model_service, group), .is_required = true, .reach = REACH_NEW_CONNECTIONS,
      .says = "The enabled group: its hosts get the connections." },
    { SECTION_SERVICE, "standby", &value_groups, FIELD(model_service, standby), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "Groups that the service may be switched to, in the order in which failover uses them." },
    { SECTION_SERVICE, "failover", &value_bool, FIELD(model_service, failover), .def = "yes", .reach = REACH_NOW,
      .says = "Use the standby groups in their order while the enabled group has no usable host, and go back when it has one." },
    { SECTION_SERVICE, "route", &value_route, LIST(model_service, routes, n_routes), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "Which connections another group gets: sni NAME GROUP (also *.NAME), alpn PROTOCOL GROUP, source NETWORK GROUP; the first that fits decides, see ROUTES." },
    { SECTION_SERVICE, "allow", &value_network, LIST(model_service, allow, n_allow), .def = "0.0.0.0/0 ::/0", .reach = REACH_NEW_CONNECTIONS,
      .says = "Networks whose clients are served, one or more a line; once one is named, others are closed without a byte." },
    { SECTION_SERVICE, "deny", &value_network, LIST(model_service, deny, n_deny), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "Networks whose clients are closed without a byte, one or more a line; stands over allow." },
    { SECTION_SERVICE, "max_connections", &value_number, FIELD(model_service, max_connections), .def = "0", .min = "0", .max = "10000000", .reach = REACH_NEW_CONNECTIONS,
      .says = "Most connections of the service at a time, over all workers; 0 is no limit." },
    { SECTION_SERVICE, "max_connections_per_source", &value_number, FIELD(model_service, max_connections_per_source), .def = "0", .min = "0", .max = "10000000", .reach = REACH_NEW_CONNECTIONS,
      .says = "Most connections from one source at a time, over all workers; a client beyond it is closed without a byte; 0 is no limit." },
    { SECTION_SERVICE, "connection_rate_per_source", &value_rate, FIELD(model_service, connection_rate_per_source), .def = "0", .reach = REACH_NEW_CONNECTIONS,
      .says = "Most new connections from one source in a time, as 100/s or 3000/m; 0 is no limit." },
    { SECTION_SERVICE, "connect_timeout", &value_duration, FIELD(model_service, connect_timeout_ms), .def = "3s", .min = "10ms", .max = "1h", .reach = REACH_NEW_CONNECTIONS,
      .says = "How long a host may take to answer a connect before the next one is tried." },
    { SECTION_SERVICE, "idle_timeout", &value_duration, FIELD(model_service, idle_timeout_ms), .def = "5m", .min = "100ms", .max = "365d", .reach = REACH_NEW_CONNECTIONS,
      .says = "Close a connection over which nothing has moved for so long." },
    { SECTION_SERVICE, "half_close_timeout", &value_duration, FIELD(model_service, half_close_timeout_ms), .def = "30s", .min = "100ms", .max = "365d", .reach = REACH_NEW_CONNECTIONS,
      .says = "Close a connection that one end has finished and over which nothing has moved for so long." },
    { SECTION_SERVICE, "handshake_timeout", &value_duration, FIELD(model_service, handshake_timeout_ms), .def = "10s", .min = "100ms", .max = "1h", .reach = REACH_NEW_CONNECTIONS,
      .says = "How long after a connect the client may take for its PROXY header, and for the beginning of TLS where routes look at it; bytes in between do not lengthen it." },
    { SECTION_SERVICE, "lifetime", &value_lifetime, FIELD(model_service, lifetime_ms), .def = "0", .min = "0", .max = "365d", .reach = REACH_NEW_CONNECTIONS,
      .says = "End a connection of this age, whatever it does; 0 is never, `1h 10%' spreads the ends over 10 % to either side." },
    { SECTION_SERVICE, "user_timeout", &value_duration, FIELD(model_service, user_timeout_ms), .def = "0", .min = "0", .max = "7d", .reach = REACH_NEW_CONNECTIONS,
      .says = "End a connection whose peer has left data unacknowledged for so long (TCP_USER_TIMEOUT); 0 leaves it to idle_timeout." },
    { SECTION_SERVICE, "retries", &value_number, FIELD(model_service, retries), .def = "3", .min = "0", .max = "15", .reach = REACH_NEW_CONNECTIONS,
      .says = "Other hosts tried when connecting fails." },
    { SECTION_SERVICE, "nodelay", &value_bool, FIELD(model_service, nodelay), .def = "yes", .reach = REACH_NEW_CONNECTIONS,
      .says = "Send small pieces at once (TCP_NODELAY)." },
    { SECTION_SERVICE, "cork", &value_bool, FIELD(model_service, cork), .def = "no", .reach = REACH_NEW_CONNECTIONS,
      .says = "Gather what is written in one go into full packets (TCP_CORK)." },
    { SECTION_SERVICE, "half_close", &value_bool, FIELD(model_service, half_close), .def = "yes", .reach = REACH_NEW_CONNECTIONS,
      .says = "Pass the end of one direction on and keep the other; no lets the first end close both." },
    { SECTION_SERVICE, "congestion", &value_name, FIELD(model_service, congestion), .def = "", .max = "15", .reach = REACH_NEW_CONNECTIONS,
      .says = "TCP congestion control; empty is the system's." },
    { SECTION_SERVICE, "keepalive", &value_bool, FIELD(model_service, keepalive), .def = "yes", .reach = REACH_NEW_CONNECTIONS,
      .says = "Let the kernel probe silent peers (SO_KEEPALIVE)." },
    { SECTION_SERVICE, "when_no_host", &value_no_host, FIELD(model_service, when_no_host), .def = "close", .min = "1ms", .max = "1h", .reach = REACH_NEW_CONNECTIONS,
      .says = "What a client gets when no host can be used: close is a reset; hold waits so long for one, 1ms to 1h; sorry sends the bytes of a file of up to 64 KiB and closes." },
    { SECTION_SERVICE, "share_sources", &value_prefixes, FIELD(model_service, share_sources), .def = "32 64", .reach = REACH_NEW_CONNECTIONS,
      .says = "Prefix lengths, 0 to 32 and 0 to 128, at which IPv4 and IPv6 clients count as one source for limits and stickiness." },
    { SECTION_SERVICE, "certificate", &value_certificate, LIST(model_service, certificates, n_certificates), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "File with a certificate in PEM, its chain behind it, for listen addresses with the word tls; its private key stands in the same file or beside it, as web.key beside web.pem. The name that a client asks for picks among several, the first is for all others; two of one name may differ in the kind of their keys. See TLS." },
    { SECTION_SERVICE, "tls_min", &value_word, FIELD(model_service, tls_min), .def = "1.2", WORDS(tls_leasts), .reach = REACH_NEW_CONNECTIONS,
      .says = "Oldest TLS version that is spoken with clients." },
    { SECTION_SERVICE, "tls_ciphers", &value_text, FIELD(model_service, tls_ciphers), .def = "", .max = "4096", .reach = REACH_NEW_CONNECTIONS,
      .says = "Ciphers that may be used with clients, as OpenSSL names them, with colons between; those of TLS 1.3 begin with TLS_. Empty is Mozilla's intermediate list." },
    { SECTION_SERVICE, "tls_alpn", &value_protocols, FIELD(model_service, tls_alpn), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "Application protocols that a client may choose from by ALPN, the most wanted first, as h2 http/1.1; one that offers others alone is refused. Empty is no word of it." },
    { SECTION_SERVICE, "client_ca", &value_certificates, FIELD(model_service, client_ca), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "File of up to 1 MiB with the certificates that clients' ones must be signed by." },
    { SECTION_SERVICE, "client_verify", &value_word, FIELD(model_service, client_verify), .def = "none", WORDS(client_verifies), .reach = REACH_NEW_CONNECTIONS,
      .says = "Whether clients are asked for a certificate: none, optional (one that is shown must be good) or required." },
    { SECTION_SERVICE, "client_depth", &value_number, FIELD(model_service, client_depth), .def = "3", .min = "0", .max = "16", .reach = REACH_NEW_CONNECTIONS,
      .says = "Most certificates that may stand between a client's own and one of client_ca." },
    { SECTION_SERVICE, "client_crl", &value_crl, LIST(model_service, crls, n_crls), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "List of revoked certificates for those of clients: a file of up to 16 MiB, an http:// URL, which is fetched, kept and renewed, or auto, the URLs that clients' certificates name themselves. See REVOCATION." },
    { SECTION_SERVICE, "crl_policy", &value_word, FIELD(model_service, crl_policy), .def = "strict", WORDS(crl_policies), .reach = REACH_NEW_CONNECTIONS,
      .says = "What becomes of a client's certificate that no fresh list of client_crl covers: strict refuses it, lenient lets it in unless the list that there is names it." },
    { SECTION_SERVICE, "client_ocsp", &value_responder, FIELD(model_service, client_ocsp), .def = "no", .reach = REACH_NEW_CONNECTIONS,
      .says = "OCSP responder that is asked about clients' certificates before they are let in: no, auto (the one that each certificate names), or an http:// URL, which is asked about all. See REVOCATION." },
    { SECTION_SERVICE, "ocsp_policy", &value_word, FIELD(model_service, ocsp_policy), .def = "strict", WORDS(ocsp_policies), .reach = REACH_NEW_CONNECTIONS,
      .says = "What becomes of a client about whom no good answer comes: strict refuses it, lenient lets it in. Who is called revoked is always refused." },
    { SECTION_SERVICE, "ocsp_timeout", &value_duration, FIELD(model_service, ocsp_timeout_ms), .def = "3s", .min = "100ms", .max = "1m", .reach = REACH_NEW_CONNECTIONS,
      .says = "How long a client waits for what the responder says, its handshake being over." },
    { SECTION_SERVICE, "ocsp_cache", &value_duration, FIELD(model_service, ocsp_cache_ms), .def = "5m", .min = "0", .max = "7d", .reach = REACH_NEW_CONNECTIONS,
      .says = "How long an answer counts for all workers, at most until the answer's own end; 0 asks about each connection anew." },
    { SECTION_SERVICE, "ocsp_stapling", &value_bool, FIELD(model_service, ocsp_stapling), .def = "no", .reach = REACH_NEW_CONNECTIONS,
      .says = "Send with each certificate that names an OCSP responder that one's word that it is good; it is fetched and renewed. The issuer's certificate must stand behind it in the file. See REVOCATION." },

    { SECTION_GROUP, "scheduler", &value_word, FIELD(model_group, scheduler), .def = "roundrobin", WORDS(schedulers), .reach = REACH_NEW_CONNECTIONS,
      .says = "How a host is chosen, see SCHEDULERS; random ignores weights, all others honour them." },
    { SECTION_GROUP, "host", &value_host, LIST(model_group, hosts, n_hosts), .is_required = true, .reach = REACH_NEW_CONNECTIONS,
      .says = "Name and address of a host; the address may be a name, see NAMES OF HOSTS. Options behind them: weight=0 to 256, max_connections=N (0 is no limit), state=up, drain or down, slow_start=DURATION up to 1d (its weight grows for so long after it has come or come back), check=ADDRESS:PORT (where it is probed in its stead)." },
    { SECTION_GROUP, "sticky", &value_sticky, FIELD(model_group, sticky_ms), .def = "none", .min = "1s", .max = "365d", .reach = REACH_NEW_CONNECTIONS,
      .says = "Whether a client comes back to its host: source is for so long after its last connection, 1s to 365d." },
    { SECTION_GROUP, "queue_timeout", &value_duration, FIELD(model_group, queue_timeout_ms), .def = "10s", .min = "0", .max = "1h", .reach = REACH_NEW_CONNECTIONS,
      .says = "How long a client waits for a free slot when every host is at its max_connections; 0 is not at all." },
    { SECTION_GROUP, "pool", &value_number, FIELD(model_group, pool), .def = "0", .min = "0", .max = "10000", .reach = REACH_NOW,
      .says = "Connections to each host that each worker keeps open ahead of need; 0 is none." },
    { SECTION_GROUP, "check", &value_check, FIELD(model_group, check), .def = "tcp", .reach = REACH_NOW,
      .says = "How hosts are probed, see CHECKS: none, tcp, tls, http [METHOD] PATH [STATUS], send and expect, redis, postgres, mysql, smtp, imap, ldap." },
    { SECTION_GROUP, "check_interval", &value_duration, FIELD(model_group, check_interval_ms), .def = "2s", .min = "100ms", .max = "1d", .reach = REACH_NOW,
      .says = "Time between two checks of a host; doubles with each good one, to 10 times, while connections of clients to it succeed as well." },
    { SECTION_GROUP, "check_timeout", &value_duration, FIELD(model_group, check_timeout_ms), .def = "1s", .min = "10ms", .max = "1h", .reach = REACH_NOW,
      .says = "How long a check may take from its start to its end." },
    { SECTION_GROUP, "rise", &value_number, FIELD(model_group, rise), .def = "2", .min = "1", .max = "1000", .reach = REACH_NOW,
      .says = "Good checks in a row that bring a host back." },
    { SECTION_GROUP, "fall", &value_number, FIELD(model_group, fall), .def = "3", .min = "1", .max = "1000", .reach = REACH_NOW,
      .says = "Failed checks in a row that take a host out." },
    { SECTION_GROUP, "eject_failures", &value_number, FIELD(model_group, eject_failures), .def = "5", .min = "0", .max = "1000000", .reach = REACH_NOW,
      .says = "Failed connects in a row that take a host out for eject_time; 0 is never." },
    { SECTION_GROUP, "eject_time", &value_duration, FIELD(model_group, eject_time_ms), .def = "10s", .min = "100ms", .max = "1d", .reach = REACH_NOW,
      .says = "How long an ejected host stays out; doubles at each return that fails, to 16 times." },
    { SECTION_GROUP, "eject_most", &value_percent, FIELD(model_group, eject_most), .def = "50%", .min = "0%", .max = "100%", .reach = REACH_NOW,
      .says = "Never is more than this share of the group ejected at a time." },
    { SECTION_GROUP, "fail_open", &value_percent, FIELD(model_group, fail_open), .def = "0%", .min = "0%", .max = "100%", .reach = REACH_NOW,
      .says = "When fewer than this share of hosts is usable, all are tried, whatever checks and ejections say; 0% is never." },
    { SECTION_GROUP, "on_down", &value_word, FIELD(model_group, on_down), .def = "keep", WORDS(on_downs), .reach = REACH_NOW,
      .says = "What becomes of open connections of a host that goes down." },
    { SECTION_GROUP, "congestion", &value_name, FIELD(model_group, congestion), .def = "", .max = "15", .reach = REACH_NEW_CONNECTIONS,
      .says = "TCP congestion control towards hosts, in place of the service's; empty is the service's." },
    { SECTION_GROUP, "send_proxy", &value_word, FIELD(model_group, send_proxy), .def = "no", WORDS(send_proxies), .reach = REACH_NEW_CONNECTIONS,
      .says = "Begin each connection to a host with a PROXY header of this version that names the client, see PROXY PROTOCOL; checks send one that names nobody." },
    { SECTION_GROUP, "tls", &value_word, FIELD(model_group, tls), .def = "no", WORDS(host_tlses), .reach = REACH_NEW_CONNECTIONS,
      .says = "Speak TLS to the hosts: yes takes whoever answers; verify only who shows a certificate by one of tls_ca, for tls_name or, without that, for the name or address that the host's line names." },
    { SECTION_GROUP, "tls_ca", &value_certificates, FIELD(model_group, tls_ca), .def = "", .reach = REACH_NOW,
      .says = "File of up to 1 MiB with the certificates that the hosts' ones must be signed by, for tls = verify and check = tls; empty is any, for check = tls alone." },
    { SECTION_GROUP, "tls_name", &value_name, FIELD(model_group, tls_name), .def = "", .max = "253", .reach = REACH_NOW,
      .says = "Name that is asked for and that the hosts' certificates must carry, for tls and check = tls." },
    { SECTION_GROUP, "tls_certificate", &value_certificate, FIELD(model_group, tls_certificate), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "File with a certificate and its key, as certificate of a service, that is shown to hosts which ask for one, also by checks." },
    { SECTION_GROUP, "bind", &value_bind, LIST(model_group, binds, n_binds), .def = "", .reach = REACH_NEW_CONNECTIONS,
      .says = "Source address of connections to the hosts, without a port, several in turn; or client, each client's own address; empty is the system's choice." },
};
/* clang-format on */

#define N_ROWS (sizeof rows / sizeof rows[0])
static_assert(N_ROWS <= DIRECTIVES_MOST, "a set has a bit for each row");

const struct directive *directives_all(size_t *n)
{
    *n = N_ROWS;
    return rows;
}

const struct directive *directives_find(enum section_kind section, const char *key)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].section == section && strcmp(rows[i].key, key) == 0)
            return &rows[i];
    return NULL;
}

const struct directive *directives_at(enum section_kind section, size_t offset)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].section == section && rows[i].bytes > 0 && rows[i].offset == offset)
            return &rows[i];
    assert(!"a field without a row");
    return NULL;
}

bool directives_add(struct directive_set *set, const struct directive *row)
{
    size_t index = (size_t)(row - rows);
    uint64_t bit = UINT64_C(1) << (index % 64);
    bool is_new = (set->bits[index / 64] & bit) == 0;
    set->bits[index / 64] |= bit;
    return is_new;
}

const char *directives_nearest(enum section_kind section, const char *key)
{
    const char *keys[N_ROWS];
    size_t n = 0;
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].section == section)
            keys[n++] = rows[i].key;
    return text_nearest(key, keys, n);
}

const char *directives_word(const struct directive *row, int64_t value)
{
    for (size_t i = 0; i < row->n_words; i++)
        if (row->words[i].value == value)
            return row->words[i].word;
    return "";
}

const char *directives_reach_word(enum reach reach)
{
    static const char *const words[] = {"at once", "new connections", "restart"};
    return words[reach];
}
