/* SPDX-License-Identifier: MIT */
/* What `make run` runs: three small HTTP hosts, and the daemon that balances over them. */
/*
 * demo GAIDAROS CONFIG
 *
 * One process serves all three hosts and starts the daemon, telling it by DEMO_ variables in the
 * environment where the hosts listen. The daemon says by the sd_notify protocol when it serves; then
 * the addresses to open are printed. SIGINT, SIGTERM or SIGHUP stops the daemon, and the demo ends
 * with it, with status 0.
 *
 * On a terminal the demo makes itself the foreground process group, so that Ctrl-C reaches it alone:
 * a make that gets the signal too would end with an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOSTS = 3, REQUEST_MAX = 8192, NAME_MAX_BYTES = 64 };

/* A host: an HTTP server that tells its name and how often it was asked. */
struct host {
    const char *name;
    const char *variable; /* that tells the daemon's configuration its address */
    const char *colour;
    uint16_t port; /* wished for; then the one it got */
    uint64_t answers;
    struct ev_io listening;
};

/* One client of a host, from accept to close. */
struct visit {
    struct ev_io reading;
    struct host *host;
    size_t used;
    char request[REQUEST_MAX + 1];
};

struct demo {
    struct ev_loop *loop;
    struct host hosts[HOSTS];
    const char *port;            /* of the balanced service, as text */
    const char *admin_port;      /* of the status page */
    char folder[NAME_MAX_BYTES]; /* for pidfile and control socket */
    pid_t terminal_group;        /* who had the terminal before; 0 when it was not taken */
    pid_t daemon;                /* 0 once it has ended */
    int stops;                   /* signals that asked for the end */
    int status;
    struct ev_io notified;
    struct ev_child ended;
    struct ev_signal interrupted, terminated, hung_up;
};

/* --- the hosts ------------------------------------------------------------------------------ */

static void visit_end(struct ev_loop *loop, struct visit *visit)
{
    ev_io_stop(loop, &visit->reading);
    (void)close(visit->reading.fd);
    free(visit);
}

/* The text of an answer, as a page for browsers. Returns its length. */
static int body_print(char *out, size_t size, const struct host *host, bool page)
{
    if (!page)
        return snprintf(out, size, "I am host %s, and this is my answer number %" PRIu64 ".\n",
                        host->name, host->answers);
    return snprintf(out, size,
                    "<!doctype html><meta name=viewport content='width=device-width'>"
                    "<title>%s</title><body style='font:1.5em sans-serif;margin:15vh auto;"
                    "max-width:20em;border-left:.5em solid %s;padding-left:1em'>"
                    "<h1>I am host %s</h1><p>and this is my answer number %" PRIu64
                    ". Reload, and another host may answer.</p>\n",
                    host->name, host->colour, host->name, host->answers);
}

static void visit_answer(struct visit *visit)
{
    char body[1024];
    char answer[1280];
    bool page = strstr(visit->request, "text/html") != NULL;
    visit->host->answers++;
    int length = body_print(body, sizeof body, visit->host, page);
    length = snprintf(answer, sizeof answer,
                      "HTTP/1.1 200 OK\r\nContent-Type: text/%s; charset=utf-8\r\n"
                      "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
                      page ? "html" : "plain", length, body);
    /* A fresh connection takes so little at once; if its client has gone, nobody misses the rest. */
    (void)!send(visit->reading.fd, answer, (size_t)length, MSG_NOSIGNAL);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct visit *visit = watch->data;
    (void)revents;
    ssize_t got = recv(watch->fd, visit->request + visit->used, REQUEST_MAX - visit->used, 0);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        visit->used += (size_t)got;
        visit->request[visit->used] = '\0';
        bool whole = strstr(visit->request, "\r\n\r\n") != NULL;
        if (!whole && visit->used < REQUEST_MAX)
            return;
        if (whole)
            visit_answer(visit);
    }
    visit_end(loop, visit);
}

static void on_visitor(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    (void)revents;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct visit *visit = calloc(1, sizeof *visit);
    if (!visit) {
        (void)close(fd);
        return;
    }
    visit->host = watch->data;
    ev_io_init(&visit->reading, on_readable, fd, EV_READ);
    visit->reading.data = visit;
    ev_io_start(loop, &visit->reading);
}

/* Listens on the port that the host wishes for or, when that is taken, on any. */
static int host_listen(struct host *host)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        struct sockaddr_in address = {
            .sin_family = AF_INET,
            .sin_port = htons(attempt == 0 ? host->port : 0),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        socklen_t length = sizeof address;
        int on = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return -1;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
            bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 128) == 0 &&
            getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
            host->port = ntohs(address.sin_port);
            return fd;
        }
        (void)close(fd);
    }
    return -1;
}

static int hosts_start(struct demo *demo)
{
    for (int i = 0; i < HOSTS; i++) {
        struct host *host = &demo->hosts[i];
        char address[NAME_MAX_BYTES];
        int fd = host_listen(host);
        if (fd < 0) {
            perror("demo: cannot listen on loopback");
            return -1;
        }
        ev_io_init(&host->listening, on_visitor, fd, EV_READ);
        host->listening.data = host;
        ev_io_start(demo->loop, &host->listening);
        (void)snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)host->port);
        (void)setenv(host->variable, address, 1);
    }
    return 0;
}

/* --- the daemon ----------------------------------------------------------------------------- */

/* Whether a port is free on all addresses; without IPv6, on all of IPv4. */
static bool port_is_free(const char *port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)strtoul(port, NULL, 10))};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};
    int on = 1;
    int off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_six = fd >= 0;
    if (!has_six)
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (has_six)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    int bound = has_six ? bind(fd, (struct sockaddr *)&six, sizeof six)
                        : bind(fd, (struct sockaddr *)&four, sizeof four);
    bool is_free = bound == 0 || errno != EADDRINUSE;
    (void)close(fd);
    return is_free;
}

static const char *port_choose(const char *variable, const char *otherwise)
{
    const char *port = getenv(variable);
    if (!port || !*port)
        port = otherwise;
    if (port_is_free(port))
        return port;
    (void)fprintf(stderr,
                  "demo: port %s is taken by another program; choose one: make run %s=PORT\n",
                  port, variable);
    return NULL;
}

static void on_notified(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct demo *demo = watch->data;
    char message[512];
    (void)revents;
    ssize_t got = recv(watch->fd, message, sizeof message - 1, 0);
    if (got <= 0)
        return;
    message[got] = '\0';
    if (!strstr(message, "READY=1"))
        return;
    ev_io_stop(loop, watch);
    (void)printf("gaidaros is running.\n"
                 "  balanced service  http://127.0.0.1:%s/   (hosts %s, %s and %s take turns)\n"
                 "  status page       http://127.0.0.1:%s/\n"
                 "  on the command line: curl http://127.0.0.1:%s/\n"
                 "                       build/gaidarosctl -s %s status\n"
                 "Ctrl-C ends it all.\n",
                 demo->port, demo->hosts[0].name, demo->hosts[1].name, demo->hosts[2].name,
                 demo->admin_port, demo->port, getenv("DEMO_CONTROL"));
    (void)fflush(stdout);
}

/* Opens the socket on which the daemon will say READY=1; the kernel picks its abstract name. */
static int notify_open(struct demo *demo)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        perror("demo: cannot make the readiness socket");
        return -1;
    }
    char name[NAME_MAX_BYTES] = "@";
    size_t bytes = length - offsetof(struct sockaddr_un, sun_path) - 1;
    memcpy(name + 1, address.sun_path + 1, bytes);
    (void)setenv("NOTIFY_SOCKET", name, 1);
    ev_io_init(&demo->notified, on_notified, fd, EV_READ);
    demo->notified.data = demo;
    ev_io_start(demo->loop, &demo->notified);
    return 0;
}

static void on_daemon_ended(struct ev_loop *loop, struct ev_child *watch, int revents)
{
    struct demo *demo = watch->data;
    (void)revents;
    demo->daemon = 0;
    bool fine = WIFEXITED(watch->rstatus) && WEXITSTATUS(watch->rstatus) == 0;
    if (demo->stops == 0 || !fine) {
        (void)fprintf(stderr, "demo: gaidaros ended by itself, with %s %d\n",
                      WIFEXITED(watch->rstatus) ? "status" : "signal",
                      WIFEXITED(watch->rstatus) ? WEXITSTATUS(watch->rstatus)
                                                : WTERMSIG(watch->rstatus));
        demo->status = 1;
    }
    ev_break(loop, EVBREAK_ALL);
}

/* In the child: a group of its own, so that Ctrl-C does not reach it behind our back. */
static void daemon_become(char *program, char *config, pid_t parent)
{
    static const int ignored[] = {SIGTSTP, SIGTTOU, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    char foreground[] = "--foreground";
    char option[] = "--config";
    char *arguments[] = {program, foreground, option, config, NULL};
    (void)execv(program, arguments);
    perror(program);
    _exit(127);
}

static int daemon_start(struct demo *demo, char *program, char *config)
{
    pid_t parent = getpid();
    (void)fflush(stdout);
    demo->daemon = fork();
    if (demo->daemon == 0)
        daemon_become(program, config, parent);
    if (demo->daemon < 0) {
        perror("demo: fork");
        return -1;
    }
    ev_child_init(&demo->ended, on_daemon_ended, demo->daemon, 0);
    demo->ended.data = demo;
    ev_child_start(demo->loop, &demo->ended);
    return 0;
}

/* --- the demo ------------------------------------------------------------------------------- */

/* The first signal lets open connections finish, the second does not, the third is not a request. */
static void on_signal(struct ev_loop *loop, struct ev_signal *watch, int revents)
{
    struct demo *demo = watch->data;
    (void)loop;
    (void)revents;
    if (demo->daemon > 0)
        (void)kill(demo->daemon, ++demo->stops < 3 ? SIGTERM : SIGKILL);
}

static void signals_start(struct demo *demo)
{
    struct {
        struct ev_signal *watch;
        int number;
    } const all[] = {
        {&demo->interrupted, SIGINT}, {&demo->terminated, SIGTERM}, {&demo->hung_up, SIGHUP}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ev_signal_init(all[i].watch, on_signal, all[i].number);
        all[i].watch->data = demo;
        ev_signal_start(demo->loop, all[i].watch);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Takes the terminal for ourselves. Suspending is off: whoever waits for us would not notice it. */
static void terminal_take(struct demo *demo)
{
    pid_t group = getpgrp();
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != group || group == getpid())
        return;
    (void)signal(SIGTTOU, SIG_IGN);
    (void)signal(SIGTSTP, SIG_IGN);
    if (setpgid(0, 0) == 0 && tcsetpgrp(STDIN_FILENO, getpid()) == 0)
        demo->terminal_group = group;
}

/* The daemon's files, in a folder of the demo's own. */
static const struct {
    const char *variable, *name;
} kept[] = {{"DEMO_PIDFILE", "demo.pid"}, {"DEMO_CONTROL", "demo.sock"}};

static int demo_start(struct demo *demo, char *program, char *config)
{
    const char *temporary = getenv("TMPDIR");
    demo->port = port_choose("DEMO_PORT", "8080");
    demo->admin_port = port_choose("DEMO_ADMIN_PORT", "7001");
    if (!demo->port || !demo->admin_port || hosts_start(demo) != 0 || notify_open(demo) != 0)
        return -1;
    /* A long TMPDIR would not leave room for the name of a unix socket. */
    (void)snprintf(demo->folder, sizeof demo->folder, "%s/gaidaros-demo.XXXXXX",
                   temporary && *temporary && strlen(temporary) < 32 ? temporary : "/tmp");
    if (!mkdtemp(demo->folder)) {
        perror("demo: cannot make a folder for the pidfile");
        demo->folder[0] = '\0';
        return -1;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        char path[2 * NAME_MAX_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", demo->folder, kept[i].name);
        (void)setenv(kept[i].variable, path, 1);
    }
    if (geteuid() == 0)
        (void)setenv("DEMO_USER", "nobody", 1);
    signals_start(demo);
    terminal_take(demo);
    return daemon_start(demo, program, config);
}

static void demo_clean(const struct demo *demo)
{
    if (demo->terminal_group > 0)
        (void)tcsetpgrp(STDIN_FILENO, demo->terminal_group);
    if (!demo->folder[0])
        return;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const char *path = getenv(kept[i].variable);
        if (path)
            (void)unlink(path);
    }
    (void)rmdir(demo->folder);
}

int main(int argc, char **argv)
{
    struct demo demo = {
        .loop = ev_default_loop(0),
        .hosts =
            {{.name = "one", .variable = "DEMO_HOST_ONE", .colour = "teal", .port = 8081},
             {.name = "two", .variable = "DEMO_HOST_TWO", .colour = "orange", .port = 8082},
             {.name = "three",
              .variable = "DEMO_HOST_THREE",
              .colour = "purple",
              .port = 8083}},
    };
    if (argc != 3) {
        (void)fprintf(stderr, "usage: demo GAIDAROS CONFIG\n");
        return 2;
    }
    if (!demo.loop || demo_start(&demo, argv[1], argv[2]) != 0)
        demo.status = 1;
    else
        ev_run(demo.loop, 0);
    demo_clean(&demo);
    if (demo.status == 0)
        (void)printf("\ngaidaros has ended.\n");
    return demo.status;
}
