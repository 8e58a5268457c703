/* SPDX-License-Identifier: MIT */
/* The command line: one table of options, read by one loop. */
#ifndef MASTER_OPTIONS_H
#define MASTER_OPTIONS_H

#include <stddef.h>

#include "base/text.h"
#include "conf/build.h"

#define OPTIONS_DEFAULT_FILE "/etc/gaidaros/gaidaros.conf"

enum {
    OPTIONS_OVERRIDES = 8, /* most settings the command line can lay over the file */
    OPTIONS_WORDS = 256    /* most -l and most -b */
};

enum command {
    COMMAND_RUN,
    COMMAND_TEST,
    COMMAND_DUMP,
    COMMAND_ORDER,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_MANUAL
};

/* An option that repeats. */
struct option_words {
    const char *at[OPTIONS_WORDS]; /* of argv */
    size_t n;
};

/* What the command line asks for. Strings are argv's unless said otherwise. */
struct options {
    enum command command;
    const char *config; /* -c; NULL = not given */
    const char *order;  /* -s: reload stop quit reopen */
    struct option_words listens, hosts;
    const char *scheduler, *admin;
    const char *pidfile;                               /* -P, absolute; NULL = not given */
    struct conf_override overrides[OPTIONS_OVERRIDES]; /* values of paths are owned */
    size_t n_overrides;
    char *owned[OPTIONS_OVERRIDES]; /* absolute paths made from relative ones */
    size_t n_owned;
    struct text one_line; /* the configuration that -l and -b spell; empty without them */
};

/*
 * Reads the command line.
 * error  gets a sentence for the user when it is wrong
 * Returns 0, or -1 for wrong usage. Call options_fini either way.
 */
int options_parse(struct options *options, int argc, char **argv, struct text *error);
void options_fini(struct options *options);

/* Adds the usage line and a line for each option. */
void options_print_help(struct text *out);

/*
 * Adds the configuration that one line of -l -b -S -a asks for: a service and a group called
 * main, hosts host1, host2 and so on.
 * Returns 0, or -1 with a sentence in error when a word could not stand in a configuration.
 */
int options_print_one_line(const struct options *options, struct text *out, struct text *error);

#endif
