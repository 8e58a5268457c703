/* SPDX-License-Identifier: MIT */
/*
 * gaidarosctl top: what happens now, on a terminal or line by line.
 *
 * Two looks at running.json make rates. A frame is a list of lines: a terminal shows those that fit, from where it was
 * scrolled to; a pipe gets all. A child looks, so that keys and signals are heard while a daemon keeps it waiting; signals
 * come as events, so that the terminal is put back however the program ends.
 */
#include "ctl/top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "ctl/exits.h"
#include "ctl/safe.h"
#include "ctl/screen.h"
#include "ctl/tally.h"
#include "net/ask.h"

enum { FILTER_BYTES = 64, MOST_S = 86400, FAR = 1000000 };

struct top {
    const char *socket;
    double every_s;
    int64_t left; /* looks; negative = no end */
    struct tally tally;
    double due_s;       /* when the next is to begin */
    pid_t looker;       /* the child that looks; 0 = none */
    int answer_fd;      /* where its answer comes */
    struct text answer; /* owned: what came of it: 'y' and the body, or 'n' and why not */
    struct text frame;  /* owned: lines */
    struct screen screen;
    int signals_fd;
    int sort, scroll;
    char filter[FILTER_BYTES], typed[FILTER_BYTES];
    bool is_terminal, is_paused, is_typing, is_over;
    int status;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void make_frame(struct top *top)
{
    const struct tally_view view = {
        .sort = top->sort, .filter = top->filter, .is_paused = top->is_paused};
    text_clear(&top->frame);
    tally_add_lines(&top->frame, &top->tally, &view);
}

static void show_on_screen(struct top *top)
{
    struct text bottom = {0};
    if (!top->screen.is_entered)
        screen_enter(&top->screen);
    if (top->is_typing) {
        text_add(&bottom, "show hosts with: ");
        safe_add(&bottom, top->typed, strlen(top->typed), "");
        text_add(&bottom, "_");
    } else {
        text_add(&bottom, "s sorts, p pauses, / filters, arrows and pages scroll, q ends");
    }
    screen_show(top->frame.at, &top->scroll, bottom.at != NULL ? bottom.at : "");
    text_fini(&bottom);
}

static void show(struct top *top)
{
    make_frame(top);
    if (top->frame.failed || top->frame.length == 0)
        return;
    if (top->is_terminal)
        show_on_screen(top);
    else
        printf("%s\n", top->frame.at);
    if (fflush(stdout) != 0) {
        top->status = REFUSED;
        top->is_over = true;
    }
}

/* ---- looks ---- */

/* In the child. */
static void look_and_tell(const char *socket, int fd)
{
    struct ask_answer answer = {0};
    struct text why = {0};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    FILE *to = fdopen(fd, "w");
    if (to == NULL)
        _exit(REFUSED);
    if (ask(socket, "GET", "/running.json", NULL, &answer, &why) == 0)
        fprintf(to, "y%s", answer.body.at != NULL ? answer.body.at : "");
    else
        fprintf(to, "n%s", why.at != NULL ? why.at : "out of memory");
    _exit(fflush(to) == 0 ? DONE : REFUSED);
}

static void begin_look(struct top *top)
{
    int fds[2];
    text_clear(&top->answer);
    pid_t child = pipe2(fds, O_CLOEXEC) == 0 ? fork() : -1;
    if (child == 0) {
        close(fds[0]);
        look_and_tell(top->socket, fds[1]);
    }
    if (child < 0) {
        safe_complain(strerror(errno));
        top->status = REFUSED;
        top->is_over = true;
        return;
    }
    close(fds[1]);
    top->looker = child;
    top->answer_fd = fds[0];
    top->due_s = now_s() + top->every_s;
}

static void end_look(struct top *top)
{
    if (top->looker == 0)
        return;
    (void)kill(top->looker, SIGKILL);
    (void)waitpid(top->looker, NULL, 0);
    close(top->answer_fd);
    top->looker = 0;
    top->answer_fd = -1;
}

/* A daemon that starts has nothing to show yet. */
static void take_look(struct top *top)
{
    if (!tally_take(&top->tally, top->answer.at + 1, now_s()))
        return;
    show(top);
    if (top->left > 0 && --top->left == 0)
        top->is_over = true;
}

/* Reads of the answer what there is; at its end the look is over. */
static void hear_look(struct top *top)
{
    char bytes[16384];
    ssize_t n = read(top->answer_fd, bytes, sizeof bytes);
    if (n > 0)
        text_append(&top->answer, bytes, (size_t)n);
    if (n > 0 || (n < 0 && errno == EINTR))
        return;
    end_look(top);
    if (!top->answer.failed && top->answer.length > 0 && top->answer.at[0] == 'y') {
        take_look(top);
        return;
    }
    /* Behind the screen, where it can be read afterwards. */
    screen_leave(&top->screen);
    safe_complain(top->answer.length > 1 ? top->answer.at + 1 : "out of memory");
    top->status = NO_DAEMON;
    top->is_over = true;
}

/* ---- keys and signals ---- */

/* While a filter is typed. */
static void take_letter(struct top *top, int key)
{
    size_t length = strlen(top->typed);
    if (key == '\r' || key == '\n') {
        memcpy(top->filter, top->typed, sizeof top->filter);
        top->is_typing = false;
        top->scroll = 0;
    } else if (key == KEY_ESCAPE) {
        top->is_typing = false;
    } else if (key == 0x7f || key == '\b') {
        while (length > 0 && ((unsigned char)top->typed[--length] & 0xc0) == 0x80)
            top->typed[length] = '\0';
        top->typed[length] = '\0';
    } else if (key >= ' ' && key < 256 && length + 1 < sizeof top->typed) {
        top->typed[length] = (char)key;
        top->typed[length + 1] = '\0';
    }
}

static void take_key(struct top *top, int key)
{
    switch (key) {
    case 'q':
        top->is_over = true;
        break;
    case 's':
        top->sort = (top->sort + 1) % TALLY_SORTS;
        break;
    case 'p':
        top->is_paused = !top->is_paused;
        break;
    case '/':
        top->is_typing = true;
        memcpy(top->typed, top->filter, sizeof top->typed);
        break;
    case KEY_ESCAPE:
        top->filter[0] = '\0';
        break;
    case KEY_UP:
    case 'k':
        top->scroll--;
        break;
    case KEY_DOWN:
    case 'j':
        top->scroll++;
        break;
    case KEY_PAGE_UP:
        top->scroll -= screen_page();
        break;
    case KEY_PAGE_DOWN:
    case ' ':
        top->scroll += screen_page();
        break;
    case KEY_HOME:
        top->scroll = 0;
        break;
    case KEY_END:
        top->scroll = FAR; /* as far as there are lines */
        break;
    default:
        break;
    }
}

static void take_keys(struct top *top)
{
    char keys[256];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n <= 0) {
        top->is_over = true;
        return;
    }
    for (const char *at = keys; at < keys + n && !top->is_over;) {
        int key = screen_key(&at, keys + n);
        if (top->is_typing)
            take_letter(top, key);
        else
            take_key(top, key);
    }
    if (!top->is_over)
        show(top);
}

static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void take_signal(struct top *top)
{
    struct signalfd_siginfo info;
    if (read(top->signals_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGTSTP) { /* stopped with the terminal as its shell wants it */
        screen_leave(&top->screen);
        (void)raise(SIGSTOP);
        if (top->is_terminal)
            show(top);
    } else if (info.ssi_signo == SIGWINCH) {
        if (top->is_terminal)
            show(top);
    } else {
        top->is_over = true;
    }
}

/* Waits for what comes next: a signal, a key, an answer, the time of the next look. */
static void turn(struct top *top)
{
    double left_s = top->due_s - now_s();
    bool is_due = left_s <= 0 && top->looker == 0 && !top->is_paused;
    if (is_due) {
        begin_look(top);
        return;
    }
    bool is_waited_for = top->looker == 0 && !top->is_paused;
    struct pollfd ready[] = {
        {.fd = top->signals_fd, .events = POLLIN},
        {.fd = top->screen.is_entered ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = top->looker != 0 ? top->answer_fd : -1, .events = POLLIN},
    };
    if (poll(ready, 3, is_waited_for ? (int)(left_s * 1000) + 1 : -1) <= 0)
        return;
    if (ready[0].revents != 0)
        take_signal(top);
    if (ready[1].revents != 0 && !top->is_over)
        take_keys(top);
    if (ready[2].revents != 0 && !top->is_over)
        hear_look(top);
}

/* ---- beginning and end ---- */

static bool read_words(struct top *top, char *const *words, int n_words)
{
    for (int i = 0; i < n_words; i += 2) {
        char *end = NULL;
        if (i + 1 == n_words)
            return false;
        double value = strtod(words[i + 1], &end);
        if (end == words[i + 1] || *end != '\0' || !(value > 0))
            return false;
        bool is_count = strcmp(words[i], "-n") == 0;
        if (!is_count && (strcmp(words[i], "-d") != 0 || value > MOST_S))
            return false;
        if (!is_count)
            top->every_s = value;
        else if (value <= INT32_MAX && value == (double)(int64_t)value)
            top->left = (int64_t)value;
        else
            return false;
    }
    return true;
}

int top_run(const char *socket, char *const *words, int n_words)
{
    struct top top = {.socket = socket, .every_s = 2, .left = -1, .answer_fd = -1};
    if (!read_words(&top, words, n_words)) {
        safe_complain("top takes -d SECONDS and -n COUNT");
        return WRONG_USAGE;
    }
    top.is_terminal = isatty(STDOUT_FILENO) != 0 && isatty(STDIN_FILENO) != 0;
    top.signals_fd = watch_signals();
    while (!top.is_over)
        turn(&top);
    screen_leave(&top.screen);
    end_look(&top);
    close(top.signals_fd);
    tally_fini(&top.tally);
    text_fini(&top.answer);
    text_fini(&top.frame);
    return top.status;
}
