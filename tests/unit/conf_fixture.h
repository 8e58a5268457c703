/* SPDX-License-Identifier: MIT */
/* What the tests of configurations share: private folders, files in them, loading. */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/build.h"

/* A service on one address with one host: what a file needs at least. */
#define BASE_LINES                                                                             \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"                                   \
    "[group main]\nhost = app1 10.0.0.11:8080\n"

#define FOLDER_BYTES 64

static inline void folder_make(char folder[FOLDER_BYTES])
{
    snprintf(folder, FOLDER_BYTES, "/tmp/gaidaros-conf-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline void folder_remove(const char *folder)
{
    char command[FOLDER_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static inline char *folder_path(char path[256], const char *folder, const char *name)
{
    int length = snprintf(path, 256, "%s/%s", folder, name);
    assert_in_range(length, 1, 255);
    return path;
}

static inline void file_make_bytes(const char *folder, const char *name, const void *bytes,
                                   size_t length)
{
    char path[256];
    folder_path(path, folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
}

static inline void file_make(const char *folder, const char *name, const char *text)
{
    file_make_bytes(folder, name, text, strlen(text));
}

static inline struct model *load_path(const char *path, struct problems *problems)
{
    const struct conf_request request = {.path = path};
    return conf_load(&request, problems);
}

/* As a command line without a file would. */
static inline struct model *load_text(const char *text, struct problems *problems)
{
    const struct conf_request request = {.text = text};
    return conf_load(&request, problems);
}

static inline const char *errors_of(const struct problems *problems)
{
    return problems->errors.at != NULL ? problems->errors.at : "";
}

static inline const char *warnings_of(const struct problems *problems)
{
    return problems->warnings.at != NULL ? problems->warnings.at : "";
}

/* The model of a text that must be right. */
static inline struct model *load_good(const char *text)
{
    struct problems problems = {0};
    struct model *model = load_text(text, &problems);
    if (model == NULL)
        fail_msg("refused: %s\nof %s", errors_of(&problems), text);
    problems_fini(&problems);
    return model;
}

/* The text must be refused with exactly one error, which says so. */
static inline void assert_refused(const char *text, const char *says)
{
    struct problems problems = {0};
    struct model *model = load_text(text, &problems);
    if (model != NULL)
        fail_msg("accepted: %s", text);
    if (problems.n_errors != 1 || strstr(errors_of(&problems), says) == NULL)
        fail_msg("not the one error \"%s\" but %zu: %s", says, problems.n_errors,
                 errors_of(&problems));
    problems_fini(&problems);
}

/* A [global] line in an else right text must be refused likewise. */
static inline void assert_global_refused(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text, "[global]\n%s\n" BASE_LINES, line);
    assert_refused(text, says);
}

#endif
