/* SPDX-License-Identifier: MIT */
/* The command line: one table of options, read by one loop. */
#include "master/options.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/write.h"
#include "master/paths.h"

enum option_deed {
    DEED_COMMAND,  /* chooses the command; two of them exclude each other */
    DEED_KEEP,     /* keeps its argument in a field of struct options */
    DEED_COLLECT,  /* adds its argument to a struct option_words; repeats */
    DEED_OVERRIDE, /* lays its argument, or a fixed value, over a key of [global] */
};

struct option_row {
    char letter; /* 0 = has none */
    const char *name;
    const char *argument; /* what --help calls it; NULL = takes none */
    enum option_deed deed;
    size_t field;         /* DEED_KEEP, DEED_COLLECT */
    enum command command; /* DEED_COMMAND */
    const char *key;      /* DEED_OVERRIDE */
    const char *value;    /* DEED_OVERRIDE: fixed value of an option without argument */
    bool is_path;         /* the argument may be a path: made absolute */
    const char *says;     /* NULL = hidden */
};

#define FIELD(name) offsetof(struct options, name)

/* clang-format off */
static const struct option_row table[] = {
    {.letter = 'c', .name = "config", .argument = "FILE", .deed = DEED_KEEP, .field = FIELD(config),
     .says = "read this configuration (default " OPTIONS_DEFAULT_FILE ")"},
    {.letter = 't', .name = "test", .deed = DEED_COMMAND, .command = COMMAND_TEST,
     .says = "check the configuration and every file it names, then exit"},
    {.letter = 'D', .name = "dump", .deed = DEED_COMMAND, .command = COMMAND_DUMP,
     .says = "print the effective configuration, defaults filled in, then exit"},
    {.letter = 'd', .name = "daemon", .deed = DEED_OVERRIDE, .key = "daemon", .value = "yes",
     .says = "run in the background; return once the service answers"},
    {.letter = 'f', .name = "foreground", .deed = DEED_OVERRIDE, .key = "daemon", .value = "no",
     .says = "run in the foreground"},
    {.letter = 'P', .name = "pidfile", .argument = "FILE", .deed = DEED_OVERRIDE, .key = "pidfile", .is_path = true,
     .says = "write the process id there"},
    {.letter = 'L', .name = "log", .argument = "TARGET", .deed = DEED_OVERRIDE, .key = "log", .is_path = true,
     .says = "log to stderr, syslog, syslog:FACILITY or a file"},
    {.letter = 'w', .name = "workers", .argument = "N", .deed = DEED_OVERRIDE, .key = "workers",
     .says = "run so many workers, or auto"},
    {.letter = 'v', .name = "verbose", .deed = DEED_OVERRIDE, .key = "log_level", .value = "debug",
     .says = "log at level debug"},
    {.letter = 's', .name = "signal", .argument = "ORDER", .deed = DEED_KEEP, .field = FIELD(order),
     .says = "tell the running daemon to reload, stop, quit or reopen"},
    {.letter = 'l', .name = "listen", .argument = "ADDRESS", .deed = DEED_COLLECT, .field = FIELD(listens),
     .says = "without a file: listen there; repeats; `,backlog=N` may follow"},
    {.letter = 'b', .name = "host", .argument = "ADDRESS", .deed = DEED_COLLECT, .field = FIELD(hosts),
     .says = "without a file: a host; repeats; `,weight=N` may follow"},
    {.letter = 'S', .name = "scheduler", .argument = "NAME", .deed = DEED_KEEP, .field = FIELD(scheduler),
     .says = "without a file: how hosts are chosen"},
    {.letter = 'a', .name = "admin", .argument = "ADDRESS", .deed = DEED_KEEP, .field = FIELD(admin),
     .says = "without a file: where the status page listens"},
    {.letter = 'V', .name = "version", .deed = DEED_COMMAND, .command = COMMAND_VERSION,
     .says = "print the versions of gaidaros and of its libraries, then exit"},
    {.letter = 'h', .name = "help", .deed = DEED_COMMAND, .command = COMMAND_HELP,
     .says = "print this, then exit"},
    /* For the Makefile, which makes gaidaros.conf(5) of it. */
    {.letter = 0, .name = "manual", .deed = DEED_COMMAND, .command = COMMAND_MANUAL},
};
/* clang-format on */

enum { TABLE_ROWS = sizeof table / sizeof *table };

static const char *const orders[] = {"reload", "stop", "quit", "reopen"};

/* One option as it stood on the command line. */
struct option_seen {
    const struct option_row *row;
    const char *shown; /* "-c" or "--config" */
    const char *argument;
};

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < TABLE_ROWS; i++)
        if (table[i].letter == letter)
            return &table[i];
    return NULL;
}

static const struct option_row *find_name(const char *name, size_t length)
{
    for (size_t i = 0; i < TABLE_ROWS; i++)
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

static int fail_unknown(const char *word, struct text *error)
{
    const char *names[TABLE_ROWS];
    for (size_t i = 0; i < TABLE_ROWS; i++)
        names[i] = table[i].name;
    text_printf(error, "unknown option %s", word);
    const char *near =
        word[1] == '-' && word[2] != '\0' ? text_nearest(word + 2, names, TABLE_ROWS) : NULL;
    if (near != NULL)
        text_printf(error, "; did you mean --%s?", near);
    return -1;
}

static bool is_relative_path(const char *value)
{
    return value[0] != '/' && value[0] != '\0' && strcmp(value, "stderr") != 0 &&
           strcmp(value, "syslog") != 0 && strncmp(value, "syslog:", 7) != 0;
}

static int lay_over(struct options *options, const struct option_seen *seen, struct text *error)
{
    const struct option_row *row = seen->row;
    for (size_t i = 0; i < options->n_overrides; i++) {
        if (strcmp(options->overrides[i].key, row->key) != 0)
            continue;
        text_printf(error, "%s: %s is set twice", seen->shown, row->key);
        return -1;
    }
    const char *value = row->value != NULL ? row->value : seen->argument;
    assert(value != NULL);
    if (row->is_path && is_relative_path(value)) {
        char *owned = paths_make_absolute(value);
        if (owned == NULL) {
            text_printf(error, "%s: cannot tell the working folder", seen->shown);
            return -1;
        }
        options->owned[options->n_owned++] = owned;
        value = owned;
    }
    options->overrides[options->n_overrides++] =
        (struct conf_override){.section = "global", .key = row->key, .value = value};
    if (strcmp(row->key, "pidfile") == 0)
        options->pidfile = value;
    return 0;
}

static int apply(struct options *options, const struct option_seen *seen, struct text *error)
{
    const struct option_row *row = seen->row;
    void *field = (char *)options + row->field;
    switch (row->deed) {
    case DEED_COMMAND:
        if (options->command != COMMAND_RUN && options->command != row->command) {
            text_printf(error, "%s: only one thing can be done at a time", seen->shown);
            return -1;
        }
        options->command = row->command;
        return 0;
    case DEED_KEEP: {
        const char **kept = field;
        if (*kept != NULL) {
            text_printf(error, "%s is given twice", seen->shown);
            return -1;
        }
        *kept = seen->argument;
        return 0;
    }
    case DEED_COLLECT: {
        struct option_words *words = field;
        if (words->n == OPTIONS_WORDS) {
            text_printf(error, "%s is given more than %d times", seen->shown, OPTIONS_WORDS);
            return -1;
        }
        words->at[words->n++] = seen->argument;
        return 0;
    }
    case DEED_OVERRIDE:
        return lay_over(options, seen, error);
    }
    return -1;
}

/* Finds the argument of an option: behind it in the same word, or the next word. */
static int find_argument(struct option_seen *seen, const char *rest, char **argv, int *i,
                         struct text *error)
{
    if (seen->row->argument == NULL)
        return 0;
    seen->argument = rest != NULL ? rest : argv[*i + 1];
    if (seen->argument == NULL) {
        text_printf(error, "%s wants its %s", seen->shown, seen->row->argument);
        return -1;
    }
    if (rest == NULL)
        ++*i;
    return 0;
}

/* A word of short options: "-tc", "-cFILE". */
static int read_short(struct options *options, char **argv, int *i, struct text *error)
{
    for (const char *at = argv[*i] + 1; *at != '\0'; at++) {
        char shown[3] = {'-', *at, '\0'};
        struct option_seen seen = {.row = find_letter(*at), .shown = shown};
        if (seen.row == NULL)
            return fail_unknown(shown, error);
        const char *rest = at[1] != '\0' ? at + 1 : NULL;
        if (find_argument(&seen, rest, argv, i, error) != 0 ||
            apply(options, &seen, error) != 0)
            return -1;
        if (seen.row->argument != NULL)
            return 0;
    }
    return 0;
}

static int read_long(struct options *options, char **argv, int *i, struct text *error)
{
    const char *word = argv[*i];
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
    struct option_seen seen = {.row = find_name(word + 2, length), .shown = word};
    if (seen.row == NULL)
        return fail_unknown(word, error);
    if (equals != NULL && seen.row->argument == NULL) {
        text_printf(error, "--%s takes no argument", seen.row->name);
        return -1;
    }
    if (find_argument(&seen, equals != NULL ? equals + 1 : NULL, argv, i, error) != 0)
        return -1;
    return apply(options, &seen, error);
}

static int check_order(struct options *options, struct text *error)
{
    if (options->command != COMMAND_RUN) {
        text_add(error, "-s: only one thing can be done at a time");
        return -1;
    }
    options->command = COMMAND_ORDER;
    size_t n = sizeof orders / sizeof *orders;
    for (size_t i = 0; i < n; i++)
        if (strcmp(options->order, orders[i]) == 0)
            return 0;
    if (strcmp(options->order, "upgrade") == 0) {
        text_add(error, "-s upgrade is not yet supported");
        return -1;
    }
    text_printf(error, "-s %s: unknown", options->order);
    const char *near = text_nearest(options->order, orders, n);
    if (near != NULL)
        text_printf(error, "; did you mean %s?", near);
    return -1;
}

/* What no single option can know. */
static int check_whole(struct options *options, struct text *error)
{
    if (options->order != NULL && check_order(options, error) != 0)
        return -1;
    bool is_one_line = options->listens.n > 0 || options->hosts.n > 0 ||
                       options->scheduler != NULL || options->admin != NULL;
    if (!is_one_line)
        return 0;
    if (options->config != NULL) {
        text_add(error, "-c names a file; -l, -b, -S and -a stand in for one: give either");
        return -1;
    }
    if (options->listens.n == 0 || options->hosts.n == 0) {
        text_add(error, "without a file at least one -l and one -b are needed");
        return -1;
    }
    if (options->command == COMMAND_ORDER) {
        text_add(error, "-s talks to a daemon; -l, -b, -S and -a start one");
        return -1;
    }
    return options_print_one_line(options, &options->one_line, error);
}

int options_parse(struct options *options, int argc, char **argv, struct text *error)
{
    *options = (struct options){0};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            text_printf(error, "unexpected word \"%s\"", word);
            return -1;
        }
        int result = word[1] == '-' ? read_long(options, argv, &i, error)
                                    : read_short(options, argv, &i, error);
        if (result != 0)
            return -1;
    }
    return check_whole(options, error);
}

void options_fini(struct options *options)
{
    for (size_t i = 0; i < options->n_owned; i++)
        free(options->owned[i]);
    text_fini(&options->one_line);
    *options = (struct options){0};
}

void options_print_help(struct text *out)
{
    text_add(out,
             "gaidaros " GAIDAROS_VERSION ", a TCP load balancer\n"
             "usage: gaidaros [-c FILE] [options]\n"
             "       gaidaros -l ADDRESS -b HOST [-b HOST ...] [-S SCHEDULER] [-a ADDRESS]\n");
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        const struct option_row *row = &table[i];
        if (row->says == NULL)
            continue;
        struct text left = {0};
        text_printf(&left, "-%c, --%s", row->letter, row->name);
        if (row->argument != NULL)
            text_printf(&left, " %s", row->argument);
        text_printf(out, "  %-24s %s\n", left.at != NULL ? left.at : "", row->says);
        text_fini(&left);
    }
    text_add(out, "keys of the file, with their defaults:\n");
    conf_write_help(out);
    text_add(out,
             "exit status: 0 fine, 1 could not run, 2 wrong usage, 3 the configuration has "
             "errors\n");
}

/* A word of the command line as a value of the configuration: commas part it as blanks do there. */
static int add_word(struct text *out, const char *word, struct text *error)
{
    for (const char *at = word; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || strchr("\"#;\\", *at) != NULL || *at == 0x7f) {
            text_add(error, "\"");
            text_add_escaped(error, word);
            text_add(error, "\": blanks, quotes, `;`, `#` and `\\` cannot stand here");
            return -1;
        }
        text_append(out, *at == ',' ? " " : at, 1);
    }
    text_add(out, "\n");
    return 0;
}

int options_print_one_line(const struct options *options, struct text *out, struct text *error)
{
    int result = 0;
    if (options->admin != NULL) {
        text_add(out, "[admin]\nlisten = ");
        result |= add_word(out, options->admin, error);
    }
    text_add(out, "[service main]\ngroup = main\n");
    for (size_t i = 0; i < options->listens.n && result == 0; i++) {
        text_add(out, "listen = ");
        result |= add_word(out, options->listens.at[i], error);
    }
    text_add(out, "[group main]\n");
    if (options->scheduler != NULL && result == 0) {
        text_add(out, "scheduler = ");
        result |= add_word(out, options->scheduler, error);
    }
    for (size_t i = 0; i < options->hosts.n && result == 0; i++) {
        text_printf(out, "host = host%zu ", i + 1);
        result |= add_word(out, options->hosts.at[i], error);
    }
    return result;
}
