/* SPDX-License-Identifier: MIT */
/* gaidarosctl hash: the hash of a password for a user line. */
#include "ctl/passhash.h"

#include <crypt.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, WRONG = 2, PASSWORD_MOST = 500 };

/* One line without its end. False when there is none, or it is too long. */
static bool read_line(char line[PASSWORD_MOST + 2])
{
    if (fgets(line, PASSWORD_MOST + 2, stdin) == NULL)
        return false;
    size_t length = strcspn(line, "\n");
    bool is_whole = line[length] == '\n' || feof(stdin);
    line[length] = '\0';
    return is_whole && length > 0 && length <= PASSWORD_MOST;
}

/* The terminal does not show what is typed meanwhile; an interrupt brings it back by itself in any shell. */
static bool ask(const char *question, char line[PASSWORD_MOST + 2])
{
    struct termios before, silent;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        /* First: what was typed before is dropped, what follows the question is not. */
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        fputs(question, stderr);
    }
    bool is_read = read_line(line);
    if (is_terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        fputs("\n", stderr);
    }
    return is_read;
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
    return is_made ? DONE : FAILED;
}

int passhash_run(void)
{
    char password[PASSWORD_MOST + 2] = "", again[PASSWORD_MOST + 2] = "";
    int status = WRONG;
    if (!ask("password: ", password))
        fprintf(stderr, "gaidarosctl: a password has 1 to %d bytes\n", PASSWORD_MOST);
    else if (isatty(STDIN_FILENO) &&
             (!ask("once more: ", again) || strcmp(password, again) != 0))
        fprintf(stderr, "gaidarosctl: the two differ\n");
    else
        status = print_hash(password);
    explicit_bzero(password, sizeof password);
    explicit_bzero(again, sizeof again);
    return status;
}
