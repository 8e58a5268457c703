/* SPDX-License-Identifier: MIT */
/* What gaidarosctl does itself; every other word is a call of the daemon's. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

/* What the command line asks for. */
struct order {
    const char *socket;
    bool is_json;
    char **words; /* the command with its arguments */
    int n_words;
};

/* A row of the table of commands. */
struct command {
    const char *word, *arguments;
    const char *text_path,
        *json_path; /* what GET brings for -o text, -o json; NULL: there is no such form */
    int (*run)(const struct order *order); /* in place of a path */
    const char *says;
};

/* All, in the order of help and manual. n is set to how many. */
const struct command *commands_all(size_t *n);

/* NULL when no command is called so. */
const struct command *commands_find(const char *word);

/* Tells what is wrong with a command line. Returns WRONG_USAGE. */
int commands_wrong(const char *what);

#endif
