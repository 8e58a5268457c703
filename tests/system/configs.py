# SPDX-License-Identifier: MIT
"""The bad configurations of the CFG list, each with the lines that must be reported."""

from dataclasses import dataclass, field

PORT = 7999  # nothing is bound: every file of this list is refused before that

BASE = """\
[global]
workers = 1
pidfile = gaidaros.pid
control = control.sock
{glob}
[admin]
title = cfg
{admin}
[service web]
listen = 127.0.0.1:7999
group = main
{service}
[group main]
host = a 127.0.0.1:9
{group}
{tail}
"""


# Of the password "secret".
HASH = ("$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.")


@dataclass
class Case:
    """`text` marks each line at fault with `@@`; `where` tells what its report says behind FILE:LINE:."""

    name: str
    text: bytes
    where: list
    words: str = ""  # must stand in the report, upper or lower case
    marked: list = field(default_factory=list)

    def __post_init__(self):
        lines = self.text.split(b"\n")
        self.marked = [n + 1 for n, line in enumerate(lines) if line.startswith(b"@@")]
        self.text = b"\n".join(line[2:] if line.startswith(b"@@") else line for line in lines)
        assert len(self.marked) == len(self.where), self.name

    def expected(self, file):
        """The beginnings of the lines that must be reported, in the order of the file."""
        return [f"{file}:{n}: {where}" for n, where in zip(self.marked, self.where)]


def text_of(glob="", admin="", service="", group="", tail=""):
    return BASE.format(glob=glob, admin=admin, service=service, group=group, tail=tail)


def case(name, where, words="", raw=None, **parts):
    text = text_of(**parts) if raw is None else raw
    if isinstance(text, str):
        text = text.encode()
    return Case(name, text, where if isinstance(where, list) else [where], words)


def of_global(name, line, words=""):
    return case(name, f"[global] {line.split(' ')[0]}:", words, glob=f"@@{line}")


def of_admin(name, line, words=""):
    return case(name, f"[admin] {line.split(' ')[0]}:", words, admin=f"@@{line}")


def of_service(name, line, words=""):
    return case(name, f"[service web] {line.split(' ')[0]}:", words, service=f"@@{line}")


def of_group(name, line, words=""):
    return case(name, f"[group main] {line.split(' ')[0]}:", words, group=f"@@{line}")


NUMBERS = ["abc", "10x", "-1", "+1", "1e3", "0x10", "010", "1.5", "NaN", "2147483648", "4294967296",
           "9223372036854775808", "18446744073709551616", "1" * 30, "3 4", "''"]
DURATIONS = ["abc", "10x", "-1", "+1", "1e3", "0x10", "010s", "1.5s", "NaN", "9223372036854775808",
             "18446744073709551616", "1" * 30, "5 s", "5S", "s", "5ss"]
PERCENTS = ["50", "101%", "-1%", "abc%", "%", "1.5%", "50 %"]

LINES = [
    case("line_of_65537_bytes", "", admin="@@url = " + "x" * 65537),
    case("comment_of_65537_bytes", "", glob="@@#" + "x" * 65537),
    case("service_name_of_50_bytes", "", tail="@@[service " + "n" * 50 + "]\nlisten = 127.0.0.1:7998\ngroup = main"),
    case("group_names_equal_in_the_first_49_bytes", ["", ""],
         tail="@@[group " + "n" * 49 + "a]\nhost = a 127.0.0.1:9\n@@[group " + "n" * 49 + "b]\nhost = a 127.0.0.1:9"),
    of_group("host_name_of_50_bytes", "host = " + "n" * 50 + " 127.0.0.1:9"),
    of_admin("quote_not_closed", 'url = "http://a'),
    of_admin("escape_unknown", r'url = "a\qb"'),
    of_admin("text_behind_a_quote", 'url = "a" b'),
    case("nul_byte", "", glob="@@spin = 0\0"),
    case("carriage_return_alone", "", glob="@@spin = 0\rlog_level = info"),
    case("byte_order_mark", "", raw=b"@@\xef\xbb\xbf" + text_of().encode()),
    case("utf16", "", raw=b"@@" + text_of().encode("utf-16")),
    case("bad_utf8", "", raw=text_of(admin="@@url = http://X/").encode().replace(b"X", b"\xff\xc3")),
    case("key_before_any_section", "", raw="@@workers = 1\n" + text_of()),
    case("key_without_equals", "", service="@@retries"),
    case("value_without_key", "", service="@@= 5"),
    of_service("empty_number", "retries ="),
    of_service("empty_duration", "idle_timeout ="),
    of_group("empty_host", "host ="),
    case("section_not_closed", "", tail="@@[group spare"),
    case("section_with_text_behind", "", tail="@@[group spare] junk\nhost = a 127.0.0.1:9"),
    case("section_without_a_word", "", tail="@@[]"),
    case("indented_continuation", "", group="host = b 127.0.0.1:9\n@@   weight=3"),
]

NAMES = [
    case("key_twice", "[global] workers:", glob="@@workers = 2"),
    case("key_three_times", ["[global] workers:", "[global] workers:"], glob="@@workers = 2\n@@workers = 3"),
    case("service_key_twice", "[service web] group:", service="@@group = main"),
    case("section_twice", "[group main]", tail="@@[group main]\nhost = b 127.0.0.1:9"),
    case("service_twice", "[service web]", tail="@@[service web]\nlisten = 127.0.0.1:7998\ngroup = main"),
    case("global_twice", "[global]", tail="@@[global]\nspin = 0"),
    of_service("key_mistyped", "idle_timout = 5s", "idle_timeout"),
    of_global("key_in_upper_case", "Log_level = info", "log_level"),
    of_global("key_of_another_section", "retries = 3"),
    case("section_mistyped", "", "service", tail="@@[sevice other]"),
    case("section_in_upper_case", "", "group", tail="@@[GROUP other]"),
    case("service_without_name", "", tail="@@[service]\nlisten = 127.0.0.1:7998\ngroup = main"),
    case("group_without_name", "", tail="@@[group]\nhost = a 127.0.0.1:9"),
    case("global_with_name", "", tail="@@[global x]\nspin = 0"),
    case("service_without_listen", "[service bare]", tail="@@[service bare]\ngroup = main"),
    case("service_without_group", "[service bare]", tail="@@[service bare]\nlisten = 127.0.0.1:7998"),
    case("group_unknown", "[service other] group:", "nowhere",
         tail="[service other]\nlisten = 127.0.0.1:7998\n@@group = nowhere"),
    case("group_empty", "[group spare]",
         tail="[service other]\nlisten = 127.0.0.1:7998\ngroup = spare\n@@[group spare]\nscheduler = roundrobin"),
    case("every_weight_zero", "[group spare] host:",
         tail="[service other]\nlisten = 127.0.0.1:7998\ngroup = spare\n[group spare]\n@@host = a 127.0.0.1:9 weight=0"),
    of_group("host_name_twice", "host = a 127.0.0.2:9"),
    of_service("listener_twice", "listen = 127.0.0.1:7999"),
    case("listener_of_two_services", "[service other] listen:",
         tail="[service other]\n@@listen = 127.0.0.1:7999\ngroup = main"),
    case("wildcard_listener_twice", "[service other] listen:",
         tail="[service other]\nlisten = *:7997\n@@listen = *:7997\ngroup = main"),
    of_global("environment_unset", "log = ${GAIDAROS_NOT_SET_ANYWHERE}"),
    of_global("environment_not_closed", "log = ${GAIDAROS_NOT_SET"),
]

NUMBER_CASES = [of_service(f"retries_{n}", f"retries = {v}") for n, v in enumerate(NUMBERS)]
NUMBER_CASES += [of_service(f"idle_timeout_{n}", f"idle_timeout = {v}") for n, v in enumerate(DURATIONS)]
NUMBER_CASES += [of_global(f"stuck_timeout_{n}", f"stuck_timeout = {v}") for n, v in enumerate(DURATIONS)]
NUMBER_CASES += [of_group(f"eject_most_{n}", f"eject_most = {v}") for n, v in enumerate(PERCENTS)]
NUMBER_CASES += [of_group(f"weight_{n}", f"host = b 127.0.0.1:9 weight={v}")
                 for n, v in enumerate(["-1", "257", "abc", "", "1.5", "1e2", "0x1", "+1", "9" * 30])]
NUMBER_CASES += [of_group(f"host_max_connections_{n}", f"host = b 127.0.0.1:9 max_connections={v}")
                 for n, v in enumerate(["-1", "abc", "", "9" * 30])]
NUMBER_CASES += [case(f"workers_{n}", "[global] workers:", raw=text_of().replace("workers = 1", f"@@workers = {v}"))
                 for n, v in enumerate(["0", "-1", "257", "100000", "many", "1.5", "9" * 30])]
NUMBER_CASES += [of_service(f"nodelay_{n}", f"nodelay = {v}") for n, v in enumerate(["maybe", "2", "y", "-1"])]
NUMBER_CASES += [of_service(f"lifetime_{n}", f"lifetime = {v}")
                 for n, v in enumerate(["1h 101%", "1h 10", "1h 10% 5%", "1h x%", "h"])]

ADDRESSES = ["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "127.0.0.1", "127.0.0.1:", ":80", "1.2.3:80",
             "1.2.3.4.5:80", "256.1.1.1:80", "[::1:80", "::1:80", "[::1]", "[::g]:80", "127.0.0.01:80", "[127.0.0.1]:80"]

ADDRESS_CASES = [of_service(f"listen_{n}", f"listen = {a}") for n, a in enumerate(ADDRESSES)]
ADDRESS_CASES += [of_group(f"host_{n}", f"host = b {a}") for n, a in enumerate(ADDRESSES)]
ADDRESS_CASES += [of_admin(f"admin_listen_{n}", f"listen = {a}") for n, a in enumerate(ADDRESSES)]
ADDRESS_CASES += [
    of_group("host_any_ipv4", "host = b 0.0.0.0:80"),
    of_group("host_any_ipv6", "host = b [::]:80"),
    of_group("host_wildcard", "host = b *:80"),
    of_group("host_without_address", "host = b"),
    of_group("host_option_mistyped", "host = b 127.0.0.1:9 wieght=3", "weight"),
    of_group("host_option_twice", "host = b 127.0.0.1:9 weight=3 weight=4"),
    of_group("host_state_unknown", "host = b 127.0.0.1:9 state=sideways"),
    of_service("listen_option_unknown", "listen = 127.0.0.1:7998 backlgo=5", "backlog"),
    of_service("listen_backlog_not_a_number", "listen = 127.0.0.1:7998 backlog=abc"),
    of_service("listen_backlog_zero", "listen = 127.0.0.1:7998 backlog=0"),
    of_admin("admin_beyond_loopback", "listen = 0.0.0.0:7001", "insecure"),
    of_admin("admin_on_every_address", "listen = *:7001", "insecure"),
]

WORDS = [
    of_group("scheduler_mistyped", "scheduler = leastcon", "leastconn"),
    of_global("log_level_unknown", "log_level = loud"),
    of_global("log_facility_unknown", "log = syslog:nosuch"),
    of_global("access_format_unknown", "access_format = xml"),
    of_global("poller_unknown", "poller = kqueue"),
    of_global("user_unknown", "user = nosuchuser-gaidaros"),
    of_global("group_unknown_to_the_system", "group = nosuchgroup-gaidaros"),
    of_global("log_in_a_missing_folder", "log = missing/folder/x.log"),
    of_global("log_is_a_directory", "log = /tmp"),
    of_global("access_log_is_a_directory", "access_log = /tmp"),
    of_global("include_missing", "include = nothere.conf"),
    of_global("include_above_the_folder", "include = ../x.conf"),
    of_global("include_elsewhere", "include = /etc/hostname"),
    of_service("protocol_unknown", "protocol = sctp"),
    of_service("when_no_host_unknown", "when_no_host = explode", "close, hold DURATION, sorry FILE"),
    of_service("when_no_host_mistyped", "when_no_host = hodl 5s", "hold"),
    of_service("when_no_host_without_a_duration", "when_no_host = hold"),
    of_service("when_no_host_too_long", "when_no_host = hold 2h", "1h"),
    of_service("when_no_host_with_too_much", "when_no_host = close 5s"),
    of_service("sorry_file_missing", "when_no_host = sorry nothere.html", "nothere.html"),
    of_service("sorry_file_is_a_directory", "when_no_host = sorry /tmp", "folder"),
    of_service("sorry_file_is_a_device", "when_no_host = sorry /dev/zero", "regular"),
    of_group("tls_ca_missing", "tls_ca = nothere.pem", "nothere.pem"),
    of_group("on_down_unknown", "on_down = closed", "close"),
    of_group("sticky_unknown", "sticky = cookie", "source"),
    of_group("sticky_without_a_duration", "sticky = source"),
    of_group("sticky_too_short", "sticky = source 0", "1s"),
    of_service("standby_unknown", "standby = nowhere", "nowhere"),
    of_service("standby_is_the_group", "standby = main", "enabled"),
    case("standby_twice", "[service web] standby:", "twice", service="@@standby = spare spare",
         tail="[group spare]\nhost = a 127.0.0.1:9"),
    case("standby_written_twice", "[service web] standby:", service="standby = spare more\n@@standby = more spare",
         tail="[group spare]\nhost = a 127.0.0.1:9\n[group more]\nhost = a 127.0.0.1:9"),
    of_service("failover_no_bool", "failover = sometimes"),
    of_service("congestion_unknown", "congestion = nosuchcc"),
]

# What a check may not say, with a word of what must be told.
CHECKS = [
    ("tpc", "tcp"), ("tcp 80", "too much"), ("TLS", "no check"), ("http", "path"), ("http GET", "path"),
    ("http health", "path"), ("http get /", "capital"), ("http / ok", "status"), ("http / 99", "status"),
    ("http / 600", "status"), ("http / 300-200", "range"), ("http / 200 300", "too much"), ('http "/a b"', "blanks"),
    ('http "/a\\r\\nX: y"', "blanks"), ("send", "double quotes"), ("send PING", "double quotes"),
    ('send "PING" expect', "double quotes"), ('expect "a" or', "double quotes"), ('expect ""', "empty"),
    ('send ""', "empty"), ('send "a" or "b"', "send, expect"), ('send "a" expekt "b"', "send, expect"),
    ('send "a\\q"', "escape"), ('send "a', "quotes"), ('send "\\x4"', "escape"), ("redis 6379", "too much"),
    ("postgres a b c", "too much"), ("mysql a b", "too much"), ('mysql ""', "1 to 63"), ("smpt", "smtp"),
    ('expect "' + "x" * 16385 + '"', "longer"),
]
NETWORKS = ["10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "256.0.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "::/129", "::1/64",
            "name.example", "10.0.0.0-10.0.0.9", "10.0.0.0/8,10.0.0.0/9", "*"]
LIMIT_CASES = [of_group(f"check_{n}", f"check = {check}", words) for n, (check, words) in enumerate(CHECKS)]
LIMIT_CASES += [of_service(f"allow_{n}", f"allow = {network}") for n, network in enumerate(NETWORKS)]
LIMIT_CASES += [of_service(f"deny_{n}", f"deny = 10.0.0.0/8 {network}") for n, network in enumerate(NETWORKS)]
LIMIT_CASES += [of_service(f"share_sources_{n}", f"share_sources = {v}")
                for n, v in enumerate(["", "32", "33 64", "32 129", "32 64 1", "/32 /64", "-1 64", "a b"])]
LIMIT_CASES += [of_service(f"connection_rate_per_source_{n}", f"connection_rate_per_source = {v}")
                for n, v in enumerate(["", "5", "5/d", "-5/s", "5 /s", "5/", "/s", "1" * 30 + "/s"])]
LIMIT_CASES += [of_service(f"{key}_{n}", f"{key} = {v}")
                for key in ["max_connections", "max_connections_per_source"]
                for n, v in enumerate(["", "-1", "abc", "10000001", "9" * 30])]
LIMIT_CASES += [of_global(f"{key}_{n}", f"{key} = {v}") for key in ["stick_entries", "source_entries"]
                for n, v in enumerate(["", "0", "-1", "abc", "100000001", "9" * 30])]
LIMIT_CASES += [of_global(f"resolver_{n}", f"resolver = {v}")
                for n, v in enumerate(["dns.example", "dns.example:53", "192.0.2.53:0", "192.0.2.0/24", "0.0.0.0", "*:53",
                                       "192.0.2.1 192.0.2.2", "[::1]", "[::g]:53", "224.0.0.1"])]
LIMIT_CASES += [of_group(f"bind_{n}", f"bind = {v}")
                for n, v in enumerate(["127.0.0.1:80", "0.0.0.0", "clients", "10.0.0.0/24", "ff02::1", "[::1]",
                                       "127.0.0.1 127.0.0.2", "eth0"])]
LIMIT_CASES += [of_group(f"{key}_{n}", f"{key} = {v}")
                for key, values in [("pool", ["", "-1", "10001", "x"]), ("rise", ["", "0", "1001", "x"]),
                                    ("fall", ["", "0", "1001", "x"]), ("fail_open", PERCENTS),
                                    ("check_interval", ["", "99ms", "2d", "x"]),
                                    ("check_timeout", ["", "9ms", "2h", "x"])]
                for n, v in enumerate(values)]
LIMIT_CASES += [of_group(f"host_slow_start_{n}", f"host = b 127.0.0.1:9 slow_start={v}")
                for n, v in enumerate(["", "x", "-1", "2d", "9" * 30])]
LIMIT_CASES += [of_group(f"host_check_{n}", f"host = b 127.0.0.1:9 check={v}")
                for n, v in enumerate(["", "127.0.0.1", "9", ":9", "name.example:9", "*:9", "0.0.0.0:9", "127.0.0.1:0"])]
LIMIT_CASES += [of_group(f"host_name_{n}", f"host = b {v}")
                for n, v in enumerate(["name.example", "name.example:0", "-name.example:80", "name..example:80",
                                       "srv:name.example", "srv:_http.name.example", "srv:_http._tcp", "1.2.3.4.example5:",
                                       "n" * 64 + ".example:80"])]
LIMIT_CASES += [
    case("host_named_as_an_address", "[group main] host:", "address of host n",
         group="host = n name.example:80\n@@host = n@10.0.0.1 10.0.0.1:80"),
    case("bind_of_client_and_another", "[group main] bind:", "client", group="bind = 127.0.0.1\n@@bind = client"),
    case("bind_twice", "[group main] bind:", "twice", group="bind = 127.0.0.1\n@@bind = 127.0.0.1"),
    of_service("listen_name", "listen = name.example:80", "not a name"),
    of_admin("user_plain", "user = eve secret full", "gaidarosctl hash"),
    of_admin("user_des", "user = eve ab01FAX.bQRSU full", "gaidarosctl hash"),
    of_admin("user_md5", "user = eve $1$saltsalt$qjXMvbEw8oaL.CzflDtaK/ full", "gaidarosctl hash"),
    of_admin("user_cut", "user = eve $6$abcdefgh$ltjgWl6579NluT full", "not whole"),
    of_admin("user_cost", "user = eve $2b$99$0123456789012345678901234567890123456789012345678901u full", "at a cost"),
    of_admin("user_sha1", "user = eve $sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq full", "gaidarosctl hash"),
    of_admin("user_nt", "user = eve $3$$8846f7eaee8fb117ad06bdd830b7586c full", "gaidarosctl hash"),
    of_admin("user_access", f"user = eve {HASH} most", "full readonly"),
    of_admin("user_words", f"user = eve {HASH}", "needs a name"),
    of_admin("user_colon", f"user = e:ve {HASH} full", "one word"),
    Case("user_twice", text_of(admin=f"user = eve {HASH} full\nuser = eve {HASH} readonly")
         .replace("[admin]", "@@[admin]").encode(), ["[admin] user:"], "named twice"),
    of_admin("users_file_none", "users_file = none", "cannot be opened"),
    of_admin("certificate_none", "certificate = none.pem\nlisten = 127.0.0.1:7001 tls", "cannot be opened"),
    of_admin("tls_alone", "listen = 127.0.0.1:7001 tls", "tls needs a certificate"),
    of_admin("admin_without_tls", f"listen = 0.0.0.0:7001\nuser = eve {HASH} full", "write tls behind it"),
    of_admin("admin_listen_name", "listen = localhost:7001", "not a name"),
]

LATER = "not yet supported"
LATER_GLOBAL = ["locale = de"]
LATER_SERVICE = [
    "protocol = udp",
    "listen = 127.0.0.1:7998 transparent",
    "listen = unix:/tmp/x.sock", "listen = unix:@x", "listen = unix:/tmp/x.sock mode=0660",
]
LATER_GROUP = [
    "host = b unix:/tmp/x.sock", "host = b 127.0.0.1:9 check=unix:/tmp/x.sock",
]
LATER_CASES = [of_global(f"later_global_{line.split(' ')[0]}", line, LATER) for line in LATER_GLOBAL]
LATER_CASES += [of_service(f"later_service_{n}", line, LATER) for n, line in enumerate(LATER_SERVICE)]
LATER_CASES += [of_group(f"later_group_{n}", line, LATER) for n, line in enumerate(LATER_GROUP)]

CASES = LINES + NAMES + NUMBER_CASES + ADDRESS_CASES + WORDS + LIMIT_CASES + LATER_CASES
assert len({c.name for c in CASES}) == len(CASES)

MANY_FAULTS = case(
    "many_faults",
    ["[global] nosuchkey:", "[admin] refresh:", "[service web] idle_timeout:", "[service web] retries:",
     "[group main] scheduler:", "[group main] host:", "[service other] group:"],
    glob="@@nosuchkey = 1", admin="@@refresh = never", service="@@idle_timeout = long\n@@retries = many",
    group="@@scheduler = best\n@@host = b 127.0.0.1:0",
    tail="[service other]\nlisten = 127.0.0.1:7998\n@@group = nowhere")

# Every key with a value other than the default that this version knows, and later keys at their defaults.
RICH = """\
[global]
workers = 2
pidfile = gaidaros.pid
control = control.sock
daemon = no
log = daemon.log
log_level = debug
access_log = access.log
access_format = json
max_connections = 1234
stuck_timeout = 7s
adopt_timeout = 700ms
drain_timeout = 90
poller = epoll
spin = 0
resolver = 192.0.2.53
resolver = [2001:db8::53]:5353
cache = /var/lib/gaidaros
stick_entries = 5000
source_entries = 6000
locale =

[admin]
listen = 127.0.0.1:7991
listen = 0.0.0.0:7992 insecure
refresh = 2s
title = "a ; title # with \\"quotes\\" and \\\\ and \\x41"
url = https://status.example/?a=b#c

[service web]
listen = 127.0.0.1:7993 backlog=100
listen = [::1]:7993
listen = *:7994 interface=lo
protocol = tcp
group = main
standby = spare third
failover = no
allow = 127.0.0.0/8 10.0.0.0/8
allow = ::1
deny = 127.0.0.9
max_connections = 5000
max_connections_per_source = 20
connection_rate_per_source = 600/m
connect_timeout = 1500ms
idle_timeout = 1h
half_close_timeout = 45s
handshake_timeout = 10s
lifetime = 2h 10%
user_timeout = 20s
retries = 1
nodelay = no
cork = yes
half_close = no
congestion = reno
keepalive = no
when_no_host = hold 5s
share_sources = 24 56
tls_min = 1.2
client_verify = none
crl_policy = strict
client_ocsp = no
ocsp_policy = strict
ocsp_timeout = 3s
ocsp_cache = 5m
ocsp_stapling = no

[service other]
listen = 127.0.0.1:7995
group = spare

[group main]
scheduler = leastconn
host = app1 127.0.0.1:9001 weight=3 max_connections=200
host = app2 [::1]:9002 weight=0 state=drain
host = app3 127.0.0.1:9003 state=down
host = app4 App.Example:9004 slow_start=30s check=127.0.0.1:9104
host = app5 srv:_http._tcp.name.example
sticky = source 30m
queue_timeout = 3s
pool = 4
check = send "a ; \\x00\\r\\n"  expect "b" or "c" send "d"
check_interval = 5s
check_timeout = 500ms
rise = 5
fall = 6
eject_failures = 9
eject_time = 20s
eject_most = 34%
fail_open = 20%
on_down = close
send_proxy = no
tls = no
bind = 127.0.0.1
bind = ::1
congestion = reno

[group spare]
scheduler = weighted
host = only 127.0.0.1:9004
check = none

[group third]
scheduler = first
host = only 127.0.0.1:9005
check = tls
tls_name = a.example
bind = client
"""
