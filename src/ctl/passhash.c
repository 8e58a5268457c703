/* SPDX-License-Identifier: MIT */
/* gaidarosctl hash: the hash of a password for a user line. */
#include "ctl/passhash.h"

#include <crypt.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/exits.h"

enum { PASSWORD_MOST = 500, ROOM = PASSWORD_MOST + 2 };

/*
 * Reads one line without its end, byte by byte: nothing of a password stays in a buffer of stdio.
 * Returns false when there is none, or it is too long.
 */
static bool read_line(char line[ROOM])
{
    size_t length = 0;
    ssize_t n;
    while ((n = read(STDIN_FILENO, line + length, 1)) == 1 && line[length] != '\n') {
        if (++length > PASSWORD_MOST)
            break;
    }
    line[length < PASSWORD_MOST + 1 ? length : PASSWORD_MOST + 1] = '\0';
    return n >= 0 && length > 0 && length <= PASSWORD_MOST && strlen(line) == length;
}

/* Waits for a line or a signal. Returns the signal, 0 when it is the line. */
static int wait_for_line(int signals_fd)
{
    struct signalfd_siginfo info;
    struct pollfd ready[] = {{.fd = signals_fd, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(ready, 2, -1) < 0 && errno == EINTR)
        continue;
    if (ready[0].revents == 0 || read(signals_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

/*
 * The terminal does not show what is typed meanwhile, and is put back also when a signal ends us, which then does as it
 * always does.
 */
static bool ask_terminal(const char *question, const struct termios *before, char line[ROOM])
{
    struct termios silent = *before;
    sigset_t ends, others;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGQUIT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigaddset(&ends, SIGTSTP); /* one that would stop us ends the question, too */
    sigprocmask(SIG_BLOCK, &ends, &others);
    int signals_fd = signalfd(-1, &ends, SFD_CLOEXEC);
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* First: what was typed before is dropped, what follows the question is not. */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fputs(question, stderr);
    int signal = wait_for_line(signals_fd);
    bool is_read = signal == 0 && read_line(line);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, before);
    fputs("\n", stderr);
    close(signals_fd);
    sigprocmask(SIG_SETMASK, &others, NULL);
    if (signal != 0)
        (void)raise(signal == SIGTSTP ? SIGINT : signal);
    return is_read;
}

static bool ask_for(const char *question, char line[ROOM])
{
    struct termios before;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    return is_terminal ? ask_terminal(question, &before, line) : read_line(line);
}

static int print_hash(const char *password)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *made = NULL;
    if (data != NULL && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting) != NULL)
        made = crypt_r(password, setting, data);
    bool is_made = made != NULL && made[0] != '*';
    if (is_made)
        puts(made);
    else
        fprintf(stderr, "gaidarosctl: no hash can be made: %s\n", strerror(errno));
    if (data != NULL)
        explicit_bzero(data, sizeof *data);
    free(data);
    return is_made ? DONE : REFUSED;
}

int passhash_run(void)
{
    char password[ROOM] = "", again[ROOM] = "";
    int status = WRONG_USAGE;
    if (!ask_for("password: ", password))
        fprintf(stderr, "gaidarosctl: a password has 1 to %d bytes\n", PASSWORD_MOST);
    else if (isatty(STDIN_FILENO) &&
             (!ask_for("once more: ", again) || strcmp(password, again) != 0))
        fprintf(stderr, "gaidarosctl: the two differ\n");
    else
        status = print_hash(password);
    explicit_bzero(password, sizeof password);
    explicit_bzero(again, sizeof again);
    return status;
}
