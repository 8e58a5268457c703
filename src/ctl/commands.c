/* SPDX-License-Identifier: MIT */
/* What gaidarosctl does itself; every other word is a call of the daemon's. */
#include "ctl/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/asked.h"
#include "ctl/complete.h"
#include "ctl/exits.h"
#include "ctl/inspect.h"
#include "ctl/loads.h"
#include "ctl/passhash.h"
#include "ctl/top.h"

int commands_wrong(const char *what)
{
    fprintf(stderr, "gaidarosctl: %s; see gaidarosctl -h\n", what);
    return WRONG_USAGE;
}

static int run_config(const struct order *order)
{
    bool is_running = order->n_words == 2 && strcmp(order->words[1], "running") == 0;
    if (order->is_json)
        return commands_wrong("this has no JSON form");
    if (order->n_words > 1 && !is_running)
        return commands_wrong("config takes nothing, or the word running");
    return asked_show(order->socket, is_running ? "/config/running" : "/config");
}

static int run_connections(const struct order *order)
{
    return inspect_list(order->socket, order->words + 1, order->n_words - 1, order->is_json);
}

static int run_why(const struct order *order)
{
    return order->n_words == 2 ? inspect_one(order->socket, order->words[1], order->is_json)
                               : commands_wrong("why takes one ID, as connections shows it");
}

static int run_profile(const struct order *order)
{
    return order->n_words == 2 ? loads_run(order->socket, order->words[1], order->is_json)
                               : commands_wrong("profile takes a number of seconds");
}

static int run_top(const struct order *order)
{
    return order->is_json ? commands_wrong("top has no JSON form; status has")
                          : top_run(order->socket, order->words + 1, order->n_words - 1);
}

/* In the child: the daemon's own program, beside this one, in sbin beside its folder, or as it is found by its name. */
static void become_daemon_program(char *file)
{
    char path[PATH_MAX];
    char *const words[] = {"gaidaros", "-t", "-c", file, NULL};
    static const char *const places[] = {"gaidaros", "../sbin/gaidaros"};
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    while (length > 0 && path[length - 1] != '/')
        length--;
    for (size_t i = 0; length > 0 && i < sizeof places / sizeof *places; i++) {
        snprintf(path + length, 32, "%s", places[i]);
        (void)execv(path, words);
    }
    (void)execvp(words[0], words);
    fprintf(stderr, "gaidarosctl: gaidaros cannot be run: %s\n", strerror(errno));
}

static int run_check(const struct order *order)
{
    int status;
    if (order->n_words != 2)
        return commands_wrong("check takes one FILE");
    pid_t child = fork();
    if (child == 0) {
        become_daemon_program(order->words[1]);
        _exit(REFUSED);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        fprintf(stderr, "gaidarosctl: %s\n", strerror(errno));
        return REFUSED;
    }
    /* 3 means something else here: that no daemon answers. */
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? DONE : REFUSED;
}

static int run_hash(const struct order *order)
{
    return order->n_words > 1 ? commands_wrong("a password is not written on the command line")
                              : passhash_run();
}

static int run_completion(const struct order *order)
{
    return order->n_words == 2 ? complete_script(order->words[1])
                               : commands_wrong("completion takes bash, zsh or fish");
}

/* clang-format off */
static const struct command commands[] = {
    {"status", "", "/running.txt", "/running.json", NULL, "show services, hosts and workers with their states and figures"},
    {"top", "[-d SECONDS] [-n COUNT]", NULL, NULL, run_top, "watch services, hosts and workers: what they do a second, what fails first"},
    {"connections", "[FILTER=VALUE ...]", NULL, NULL, run_connections, "list open connections; filters: service group host source age bytes limit"},
    {"why", "ID", NULL, NULL, run_why, "tell all about a connection: phase, who chose its host, limits, both ends' TCP figures"},
    {"profile", "SECONDS", NULL, NULL, run_profile, "show where each worker's time goes, in percent, over 1 to 60 seconds"},
    {"config", "[running]", NULL, NULL, run_config, "show the configuration as the file said, defaults filled in; or as it is now"},
    {"running", "", "/config/running", NULL, NULL, "the same as config running"},
    {"diff", "", "/config/diff", NULL, NULL, "show what a restart would lose, as a unified diff"},
    {"metrics", "", "/metrics", NULL, NULL, "show all figures in Prometheus' text format"},
    {"check", "FILE", NULL, NULL, run_check, "check a configuration file as gaidaros -t does; no daemon is asked"},
    {"hash", "", NULL, NULL, run_hash, "make the hash of a password for a user line"},
    {"completion", "bash|zsh|fish", NULL, NULL, run_completion, "print what makes a shell complete commands, calls, fields and names"},
};
/* clang-format on */

const struct command *commands_all(size_t *n)
{
    *n = sizeof commands / sizeof *commands;
    return commands;
}

const struct command *commands_find(const char *word)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].word, word) == 0)
            return &commands[i];
    }
    return NULL;
}
