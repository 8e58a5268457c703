/* SPDX-License-Identifier: MIT */
/* Tests of the command line. */
#include "master/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/directives.h"

enum { WORDS = 16 };

/* One command line with what came of it. */
struct line {
    char *argv[WORDS]; /* owned; the options point into it */
    struct options options;
    struct text error;
    int result;
};

static void parse_words(struct line *line, const char *const *words)
{
    int argc = 0;
    *line = (struct line){0};
    for (; words[argc] != NULL; argc++) {
        assert_true(argc < WORDS - 1);
        line->argv[argc] = strdup(words[argc]);
    }
    line->result = options_parse(&line->options, argc, line->argv, &line->error);
}

#define PARSE(line, ...) parse_words(line, (const char *const[]){"gaidaros", __VA_ARGS__, NULL})

static void forget(struct line *line)
{
    options_fini(&line->options);
    text_fini(&line->error);
    for (int i = 0; i < WORDS; i++)
        free(line->argv[i]);
}

static const char *override_of(const struct line *line, const char *key)
{
    for (size_t i = 0; i < line->options.n_overrides; i++)
        if (strcmp(line->options.overrides[i].key, key) == 0)
            return line->options.overrides[i].value;
    return NULL;
}

static void assert_wrong(struct line *line, const char *said)
{
    assert_int_equal(line->result, -1);
    assert_non_null(line->error.at);
    if (strstr(line->error.at, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", line->error.at, said);
    forget(line);
}

static void takes_an_argument_in_every_spelling(void **state)
{
    (void)state;
    const char *const spellings[][4] = {{"gaidaros", "-c", "f", NULL},
                                        {"gaidaros", "-cf", NULL},
                                        {"gaidaros", "--config", "f", NULL},
                                        {"gaidaros", "--config=f", NULL},
                                        {"gaidaros", "-vcf", NULL}};
    for (size_t i = 0; i < 5; i++) {
        struct line line;
        parse_words(&line, spellings[i]);
        assert_int_equal(line.result, 0);
        assert_string_equal(line.options.config, "f");
        assert_int_equal(line.options.command, COMMAND_RUN);
        forget(&line);
    }
}

static void lays_settings_over_the_file(void **state)
{
    (void)state;
    struct line line;
    PARSE(&line, "-d", "-P", "/p", "-L", "syslog:local0", "-w", "3", "-v");
    assert_int_equal(line.result, 0);
    assert_int_equal(line.options.n_overrides, 5);
    assert_string_equal(override_of(&line, "daemon"), "yes");
    assert_string_equal(override_of(&line, "pidfile"), "/p");
    assert_string_equal(override_of(&line, "log"), "syslog:local0");
    assert_string_equal(override_of(&line, "workers"), "3");
    assert_string_equal(override_of(&line, "log_level"), "debug");
    assert_string_equal(line.options.pidfile, "/p");
    forget(&line);
}

static void makes_relative_paths_absolute(void **state)
{
    (void)state;
    struct line line;
    PARSE(&line, "-P", "p.pid", "-L", "my.log");
    assert_int_equal(line.result, 0);
    assert_int_equal(override_of(&line, "pidfile")[0], '/');
    assert_non_null(strstr(override_of(&line, "pidfile"), "/p.pid"));
    assert_non_null(strstr(override_of(&line, "log"), "/my.log"));
    forget(&line);
}

static void refuses_what_is_wrong_usage(void **state)
{
    (void)state;
    struct line line;
    PARSE(&line, "--confg", "f");
    assert_wrong(&line, "did you mean --config");
    PARSE(&line, "-x");
    assert_wrong(&line, "unknown option -x");
    PARSE(&line, "-c");
    assert_wrong(&line, "-c wants its FILE");
    PARSE(&line, "--test=1");
    assert_wrong(&line, "takes no argument");
    PARSE(&line, "word");
    assert_wrong(&line, "unexpected word \"word\"");
    PARSE(&line, "-");
    assert_wrong(&line, "unexpected word");
    PARSE(&line, "--");
    assert_wrong(&line, "unknown option");
    PARSE(&line, "-tD");
    assert_wrong(&line, "only one thing");
    PARSE(&line, "-d", "-f");
    assert_wrong(&line, "daemon is set twice");
    PARSE(&line, "-c", "a", "-c", "b");
    assert_wrong(&line, "given twice");
}

static void knows_the_orders(void **state)
{
    (void)state;
    struct line line;
    const char *const orders[] = {"reload", "stop", "quit", "reopen"};
    for (size_t i = 0; i < 4; i++) {
        PARSE(&line, "-s", orders[i]);
        assert_int_equal(line.result, 0);
        assert_int_equal(line.options.command, COMMAND_ORDER);
        forget(&line);
    }
    PARSE(&line, "-s", "upgrade");
    assert_wrong(&line, "not yet supported");
    PARSE(&line, "-s", "relod");
    assert_wrong(&line, "did you mean reload");
    PARSE(&line, "-t", "-s", "stop");
    assert_wrong(&line, "only one thing");
}

static void spells_one_line_as_a_configuration(void **state)
{
    (void)state;
    struct line line;
    PARSE(&line, "-l", "*:80", "-l", "*:81,backlog=9", "-b", "10.0.0.1:1", "-b",
          "10.0.0.2:2,weight=3,max_connections=7", "-S", "leastconn", "-a", "127.0.0.1:7001");
    assert_int_equal(line.result, 0);
    assert_string_equal(line.options.one_line.at,
                        "[admin]\nlisten = 127.0.0.1:7001\n"
                        "[service main]\ngroup = main\nlisten = *:80\nlisten = *:81 backlog=9\n"
                        "[group main]\nscheduler = leastconn\nhost = host1 10.0.0.1:1\n"
                        "host = host2 10.0.0.2:2 weight=3 max_connections=7\n");
    forget(&line);
}

static void refuses_one_lines_that_are_none(void **state)
{
    (void)state;
    struct line line;
    PARSE(&line, "-l", "*:80");
    assert_wrong(&line, "at least one -l and one -b");
    PARSE(&line, "-b", "a:1");
    assert_wrong(&line, "at least one -l and one -b");
    PARSE(&line, "-S", "first");
    assert_wrong(&line, "at least one -l and one -b");
    PARSE(&line, "-c", "f", "-l", "*:80", "-b", "a:1");
    assert_wrong(&line, "give either");
    PARSE(&line, "-l", "*:80\n[global]", "-b", "a:1");
    assert_wrong(&line, "cannot stand here");
    PARSE(&line, "-l", "*:80", "-b", "a:1 ;x");
    assert_wrong(&line, "cannot stand here");
    PARSE(&line, "-s", "stop", "-l", "*:80", "-b", "a:1");
    assert_wrong(&line, "start one");
}

static void help_names_every_option_but_the_hidden(void **state)
{
    (void)state;
    struct text out = {0};
    const char letters[] = "ctDdfPLwvslbSaVh";
    options_print_help(&out);
    for (const char *at = letters; *at != '\0'; at++) {
        const char shown[] = {'-', *at, ',', '\0'};
        if (strstr(out.at, shown) == NULL)
            fail_msg("help does not name %s", shown);
    }
    assert_null(strstr(out.at, "--manual"));
    size_t n;
    const struct directive *rows = directives_all(&n);
    for (size_t i = 0; i < n; i++) {
        char key[64];
        snprintf(key, sizeof key, "\n  %s = ", rows[i].key);
        if (!rows[i].is_later &&
            (strstr(out.at, key) == NULL || strstr(out.at, rows[i].says) == NULL))
            fail_msg("help does not name %s", rows[i].key);
    }
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_an_argument_in_every_spelling),
        cmocka_unit_test(lays_settings_over_the_file),
        cmocka_unit_test(makes_relative_paths_absolute),
        cmocka_unit_test(refuses_what_is_wrong_usage),
        cmocka_unit_test(knows_the_orders),
        cmocka_unit_test(spells_one_line_as_a_configuration),
        cmocka_unit_test(refuses_one_lines_that_are_none),
        cmocka_unit_test(help_names_every_option_but_the_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
