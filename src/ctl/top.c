/* SPDX-License-Identifier: MIT */
/*
 * gaidarosctl top: what happens now, on a terminal or line by line.
 *
 * Two looks at running.json make rates. A frame is a list of lines: a terminal shows those that fit, from where it was
 * scrolled to; a pipe gets all. What the terminal was before is put back however the program ends.
 */
#include "ctl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/text.h"
#include "net/ask.h"

enum { DONE = 0, WRONG_USAGE = 2, NO_DAEMON = 3, SORTS = 3 };

struct top {
    const char *socket;
    double every_s;
    long left;              /* looks; negative = no end */
    json_t *now, *then;     /* owned: the last two looks */
    double seconds;         /* between them */
    struct timespec looked; /* when the last was */
    struct text why;        /* owned: of no answer */
    struct text frame;      /* owned: lines */
    bool is_terminal, is_paused, is_over;
    int sort, scroll, signals_fd;
    struct termios before; /* how the terminal was */
};

/* ---- figures ---- */

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* The array's object that has the same value at this key. */
static const json_t *same(const json_t *array, const json_t *object, const char *key)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_equal(json_object_get(json_array_get(array, i), key),
                       json_object_get(object, key)))
            return json_array_get(array, i);
    return NULL;
}

/* What a counter has grown a second; 0 without an earlier look. */
static double rate(const struct top *top, const json_t *now, const json_t *then,
                   const char *key)
{
    double grown = number(now, key) - number(then, key);
    return then != NULL && top->seconds > 0 && grown > 0 ? grown / top->seconds : 0;
}

/* A host with where it stands and what it did. */
struct row {
    const json_t *host;
    const char *service, *group;
    double per_second;
    bool is_fault;
};

struct rows {
    struct row *at; /* owned */
    size_t n, capacity;
};

static void add_row(struct rows *rows, const struct row *row)
{
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 64 : 2 * rows->capacity;
        struct row *grown = realloc(rows->at, capacity * sizeof *grown);
        if (grown == NULL)
            return;
        rows->at = grown;
        rows->capacity = capacity;
    }
    rows->at[rows->n++] = *row;
}

static bool is_fault(const json_t *host)
{
    const char *state = string(host, "state");
    return strcmp(state, "up") != 0 && strcmp(state, "draining") != 0 &&
           strcmp(state, "admin_down") != 0;
}

static int by_need(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->is_fault != b->is_fault)
        return a->is_fault ? -1 : 1;
    return a->per_second < b->per_second ? 1 : a->per_second > b->per_second ? -1 : 0;
}

static int by_open(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    double x = number(a->host, "connections"), y = number(b->host, "connections");
    return x < y ? 1 : x > y ? -1 : 0;
}

static int by_name(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    return strcmp(string(a->host, "name"), string(b->host, "name"));
}

static const struct {
    const char *word;
    int (*compare)(const void *left, const void *right);
} sorts[SORTS] = {{"need", by_need}, {"open", by_open}, {"name", by_name}};

/* ---- the frame ---- */

/* Adds text as it may be shown on a terminal: no control bytes. */
static void add_safe(struct text *out, const char *text)
{
    for (; *text != '\0'; text++)
        text_append(out, (unsigned char)*text < ' ' || *text == 0x7f ? "?" : text, 1);
}

static void add_padded(struct text *out, const char *text, int width)
{
    size_t before = out->length;
    add_safe(out, text);
    int left = width - (int)(out->length - before);
    text_printf(out, "%*s", left > 1 ? left : 1, "");
}

static void add_services(struct top *top, struct rows *rows)
{
    struct text *out = &top->frame;
    const json_t *services = json_object_get(top->now, "services");
    text_printf(out, "%-20s %10s %10s %12s %12s %8s\n", "SERVICE", "OPEN", "NEW/S", "IN B/S",
                "OUT B/S", "WAITING");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const json_t *was = same(json_object_get(top->then, "services"), service, "name");
        add_padded(out, string(service, "name"), 21);
        text_printf(out, "%10.0f %10.1f %12.0f %12.0f %8.0f\n", number(service, "connections"),
                    rate(top, service, was, "connections_total"),
                    rate(top, service, was, "bytes_in"), rate(top, service, was, "bytes_out"),
                    number(service, "waiting"));
        const json_t *groups = json_object_get(service, "groups");
        for (size_t k = 0; k < json_array_size(groups); k++) {
            const json_t *group = json_array_get(groups, k);
            const json_t *then = same(json_object_get(was, "groups"), group, "name");
            const json_t *hosts = json_object_get(group, "hosts");
            for (size_t h = 0; h < json_array_size(hosts); h++) {
                const json_t *host = json_array_get(hosts, h);
                add_row(rows,
                        &(struct row){.host = host,
                                      .service = string(service, "name"),
                                      .group = string(group, "name"),
                                      .per_second = rate(
                                          top, host,
                                          same(json_object_get(then, "hosts"), host, "name"),
                                          "connections_total"),
                                      .is_fault = is_fault(host)});
            }
        }
    }
}

static void add_hosts(struct top *top, struct rows *rows)
{
    struct text *out = &top->frame;
    if (rows->n > 1)
        qsort(rows->at, rows->n, sizeof *rows->at, sorts[top->sort].compare);
    text_printf(out, "\n%-20s %-30s %-11s %7s %10s %10s  %s\n", "HOST", "SERVICE/GROUP",
                "STATE", "WEIGHT", "OPEN", "NEW/S", "REASON");
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->at[i];
        struct text place = {0};
        text_printf(&place, "%s/%s", row->service, row->group);
        add_padded(out, string(row->host, "name"), 21);
        add_padded(out, place.at != NULL ? place.at : "", 31);
        text_printf(out, "%-11s %7.0f %10.0f %10.1f  ", string(row->host, "state"),
                    number(row->host, "weight"), number(row->host, "connections"),
                    row->per_second);
        add_safe(out, string(row->host, "reason"));
        text_add(out, "\n");
        text_fini(&place);
    }
}

static void add_workers(struct top *top)
{
    struct text *out = &top->frame;
    const json_t *workers = json_object_get(top->now, "workers");
    text_printf(out, "\n%-10s %-9s %8s %10s %10s %7s %9s %8s\n", "WORKER", "STATE", "PID",
                "OPEN", "NEW/S", "LOAD", "LAG", "RESTARTS");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        const json_t *was = same(json_object_get(top->then, "workers"), worker, "id");
        text_printf(out, "%-10.0f %-9s %8.0f %10.0f %10.1f %6.0f%% %6.1f ms %8.0f\n",
                    number(worker, "id"), string(worker, "state"), number(worker, "pid"),
                    number(worker, "connections"), rate(top, worker, was, "accepted_total"),
                    100 * rate(top, worker, was, "busy_s"), number(worker, "loop_lag_ms"),
                    number(worker, "restarts"));
    }
}

static void make_frame(struct top *top)
{
    struct rows rows = {0};
    text_clear(&top->frame);
    text_printf(&top->frame, "gaidaros %s, %s, generation %.0f, up %.0f s; hosts by %s%s\n\n",
                string(top->now, "version"), string(top->now, "state"),
                number(top->now, "generation"), number(top->now, "uptime_s"),
                sorts[top->sort].word,
                top->is_terminal ? "; s sorts, p pauses, arrows scroll, q ends" : "");
    add_services(top, &rows);
    add_hosts(top, &rows);
    add_workers(top);
    free(rows.at);
}

/* False when nobody answers; top->why says more. */
static bool look(struct top *top)
{
    struct ask_answer answer = {0};
    struct timespec now;
    text_clear(&top->why);
    if (ask(top->socket, "GET", "/running.json", NULL, &answer, &top->why) != 0)
        return false;
    json_t *json = json_loads(answer.body.at, 0, NULL);
    text_fini(&answer.body);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (json_object_get(json, "services") == NULL) { /* it starts: at the next look */
        json_decref(json);
        return true;
    }
    json_decref(top->then);
    top->then = top->now;
    top->now = json;
    top->seconds = (double)(now.tv_sec - top->looked.tv_sec) +
                   (double)(now.tv_nsec - top->looked.tv_nsec) / 1e9;
    top->looked = now;
    make_frame(top);
    return true;
}

/* ---- the terminal ---- */

static void enter_terminal(struct top *top)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &top->before) != 0)
        return;
    raw = top->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    fputs("\033[?1049h\033[?25l", stdout);
}

static void leave_terminal(struct top *top)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &top->before);
}

/* The lines that fit, from where it was scrolled to. */
static void show_on_terminal(struct top *top)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    int n = 0;
    for (size_t i = 0; i < top->frame.length; i++)
        n += top->frame.at[i] == '\n';
    int most = n - size.ws_row + 1;
    if (top->scroll > most)
        top->scroll = most;
    if (top->scroll < 0)
        top->scroll = 0;
    const char *line = top->frame.at;
    fputs("\033[H", stdout);
    for (int i = 0; i < top->scroll && line != NULL; i++)
        line = strchr(line, '\n') + 1;
    for (int i = 1; i < size.ws_row && line != NULL && *line != '\0'; i++) {
        int length = (int)strcspn(line, "\n");
        printf("%.*s\033[K\r\n", length < size.ws_col ? length : size.ws_col, line);
        line += length + 1;
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static void show(struct top *top)
{
    if (top->frame.at == NULL)
        return;
    if (top->is_terminal)
        show_on_terminal(top);
    else
        printf("%s\n", top->frame.at);
    fflush(stdout);
}

/* One key; arrows and pages come as escape sequences. */
static void take_keys(struct top *top)
{
    char keys[16];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys - 1);
    if (n <= 0) {
        top->is_over = true;
        return;
    }
    keys[n] = '\0';
    if (keys[0] == 'q' || keys[0] == 0x03)
        top->is_over = true;
    else if (keys[0] == 's')
        top->sort = (top->sort + 1) % SORTS;
    else if (keys[0] == 'p')
        top->is_paused = !top->is_paused;
    else if (strcmp(keys, "\033[A") == 0 || keys[0] == 'k')
        top->scroll--;
    else if (strcmp(keys, "\033[B") == 0 || keys[0] == 'j')
        top->scroll++;
    else if (strcmp(keys, "\033[5~") == 0)
        top->scroll -= 10;
    else if (strcmp(keys, "\033[6~") == 0 || keys[0] == ' ')
        top->scroll += 10;
    if (top->now != NULL)
        make_frame(top);
    show(top);
}

/* Until the next look is due, or it is over. */
static void wait_for_turn(struct top *top)
{
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    double left_s = top->every_s;
    while (left_s > 0 && !top->is_over) {
        struct pollfd ready[] = {
            {.fd = top->signals_fd, .events = POLLIN},
            {.fd = top->is_terminal ? STDIN_FILENO : -1, .events = POLLIN},
        };
        int n = poll(ready, 2, (int)(left_s * 1000) + 1);
        struct signalfd_siginfo info;
        if (n > 0 && (ready[0].revents & POLLIN) != 0 &&
            read(top->signals_fd, &info, sizeof info) == (ssize_t)sizeof info) {
            if (info.ssi_signo == SIGWINCH)
                show(top);
            else
                top->is_over = true;
        }
        if (n > 0 && ready[1].revents != 0)
            take_keys(top);
        clock_gettime(CLOCK_MONOTONIC, &now);
        left_s = top->every_s - (double)(now.tv_sec - began.tv_sec) -
                 (double)(now.tv_nsec - began.tv_nsec) / 1e9;
    }
}

static int end(struct top *top, bool is_answered)
{
    if (!is_answered)
        fprintf(stderr, "gaidarosctl: %s\n",
                top->why.at != NULL ? top->why.at : "out of memory");
    json_decref(top->now);
    json_decref(top->then);
    text_fini(&top->frame);
    text_fini(&top->why);
    return is_answered ? DONE : NO_DAEMON;
}

/* Signals come as events, so that the terminal is always put back. */
static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool read_words(struct top *top, char *const *words, int n_words)
{
    for (int i = 0; i < n_words; i += 2) {
        char *end = NULL;
        if (i + 1 == n_words)
            return false;
        double value = strtod(words[i + 1], &end);
        if (*end != '\0' || !(value > 0) || value > 86400)
            return false;
        if (strcmp(words[i], "-d") == 0)
            top->every_s = value;
        else if (strcmp(words[i], "-n") == 0)
            top->left = (long)value;
        else
            return false;
    }
    return true;
}

int top_run(const char *socket, char *const *words, int n_words)
{
    struct top top = {.socket = socket, .every_s = 2, .left = -1};
    if (!read_words(&top, words, n_words)) {
        fprintf(stderr, "gaidarosctl: top takes -d SECONDS and -n COUNT\n");
        return WRONG_USAGE;
    }
    bool is_answered = look(&top);
    if (!is_answered)
        return end(&top, false);
    top.is_terminal = isatty(STDOUT_FILENO) != 0 && isatty(STDIN_FILENO) != 0;
    top.signals_fd = watch_signals();
    if (top.is_terminal)
        enter_terminal(&top);
    if (top.now != NULL)
        make_frame(&top);
    while (is_answered && !top.is_over) {
        if (!top.is_paused)
            show(&top);
        if (top.left > 0 && --top.left == 0)
            break;
        wait_for_turn(&top);
        if (!top.is_over && !top.is_paused)
            is_answered = look(&top);
    }
    if (top.is_terminal)
        leave_terminal(&top);
    close(top.signals_fd);
    return end(&top, is_answered);
}
