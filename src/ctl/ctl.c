/* SPDX-License-Identifier: MIT */
/* The program gaidarosctl: talks to a running daemon over its control socket. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/complete.h"
#include "ctl/inspect.h"
#include "ctl/passhash.h"
#include "ctl/top.h"
#include "ctl/words.h"
#include "net/ask.h"

#define DEFAULT_SOCKET "/run/gaidaros/control.sock"
#define SOCKET_VARIABLE "GAIDAROS_CONTROL"

enum { DONE = 0, REFUSED = 1, WRONG_USAGE = 2, NO_DAEMON = 3 };

/* What the command line asks for. */
struct order {
    const char *socket;
    bool is_json;
    char **words; /* the command with its arguments */
    int n_words;
};

static int wrong_usage(const char *what)
{
    fprintf(stderr, "gaidarosctl: %s; see gaidarosctl -h\n", what);
    return WRONG_USAGE;
}

static int run_check(const struct order *order);

static int run_hash(const struct order *order)
{
    return order->n_words > 1 ? wrong_usage("a password is not written on the command line")
                              : passhash_run();
}

static int run_connections(const struct order *order)
{
    return inspect_list(order->socket, order->words + 1, order->n_words - 1, order->is_json);
}

static int run_why(const struct order *order)
{
    return order->n_words == 2 ? inspect_one(order->socket, order->words[1], order->is_json)
                               : wrong_usage("why takes one ID, as connections shows it");
}

static int run_top(const struct order *order)
{
    return order->is_json ? wrong_usage("top has no JSON form; status has")
                          : top_run(order->socket, order->words + 1, order->n_words - 1);
}

static int run_completion(const struct order *order)
{
    return order->n_words == 2 ? complete_script(order->words[1])
                               : wrong_usage("completion takes bash, zsh or fish");
}

/* What gaidarosctl itself does; every other word is a call of the daemon's. */
struct command {
    const char *word, *arguments;
    const char *text_path,
        *json_path; /* what GET brings for -o text, -o json; NULL: there is no such form */
    int (*run)(const struct order *order); /* in place of a path */
    const char *says;
};

/* clang-format off */
static const struct command commands[] = {
    {"status", "", "/running.txt", "/running.json", NULL, "show services, hosts and workers"},
    {"config", "", "/config", NULL, NULL, "show the configuration as the file said, defaults filled in"},
    {"running", "", "/config/running", NULL, NULL, "show the configuration as it is now"},
    {"diff", "", "/config/diff", NULL, NULL, "show what a restart would lose, as a unified diff"},
    {"connections", "[...]", NULL, NULL, run_connections, "show open connections; filters: service= group= host= source=NETWORK age= bytes= limit="},
    {"why", "ID", NULL, NULL, run_why, "show all about one: phase, who chose its host, limits, both ends' TCP figures"},
    {"metrics", "", "/metrics", NULL, NULL, "show all figures in Prometheus' text format"},
    {"check", "FILE", NULL, NULL, run_check, "check a configuration file; no daemon is asked"},
    {"top", "[...]", NULL, NULL, run_top, "watch services, hosts and workers; -d SECONDS between two looks, -n COUNT of them"},
    {"completion", "SHELL", NULL, NULL, run_completion, "print what makes bash, zsh or fish complete commands, fields and names"},
    {"hash", "", NULL, NULL, run_hash, "make the hash of a password for a user line"},
};
/* clang-format on */

#define N_COMMANDS (sizeof commands / sizeof *commands)

/* The calls as help shows them; those of later versions are left out. */
struct call_word {
    const char *word, *fields, *says;
};
/* clang-format off */
#define CALL_NOW(call, handler, fields, says) {#call, fields, says},
#define CALL_LATER(call, fields)
/* clang-format on */
static const struct call_word calls[] = {CALL_WORDS(CALL_NOW, CALL_LATER)};

#define N_CALLS (sizeof calls / sizeof *calls)

static void print_calls(void)
{
    for (size_t i = 0; i < N_CALLS; i++) {
        printf("  %-14s  %s\n", calls[i].word, calls[i].says);
        if (calls[i].fields[0] != '\0')
            printf("  %-14s    fields: %s\n", "", calls[i].fields);
    }
}

static void print_help(void)
{
    printf("usage: gaidarosctl [-s SOCKET] [-o text|json] COMMAND\n"
           "       gaidarosctl [-s SOCKET] [-o text|json] CALL [FIELD=VALUE ...]\n"
           "\n"
           "commands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-11s %-6s %s\n", commands[i].word, commands[i].arguments, commands[i].says);
    printf(
        "\ncalls (a field in [] may be left out; a name is that of all addresses of a host,\n"
        "or NAME@ADDRESS):\n");
    print_calls();
    printf("\n"
           "options:\n"
           "  -s, --socket SOCKET     the daemon's control socket\n"
           "                          (default: $" SOCKET_VARIABLE ", else " DEFAULT_SOCKET
           ")\n"
           "  -o, --output text|json  how to answer (default: text)\n"
           "  -V, --version           print the version\n"
           "  -h, --help              print this\n"
           "\n"
           "exit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon answers\n");
}

static const struct command *command_find(const char *word)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].word, word) == 0)
            return &commands[i];
    }
    return NULL;
}

static int no_daemon(struct text *why)
{
    fprintf(stderr, "gaidarosctl: %s\n", why->at != NULL ? why->at : "out of memory");
    text_fini(why);
    return NO_DAEMON;
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
        return wrong_usage("check takes one FILE");
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

/* What shells ask; it stands in no help. */
static int run_complete(const struct order *order)
{
    const char *words[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        words[i] = commands[i].word;
    return complete_words(order->socket, order->words + 1, order->n_words - 1, words,
                          N_COMMANDS);
}

static int run_command(const struct command *command, const struct order *order)
{
    struct ask_answer answer = {0};
    struct text why = {0};
    const char *path = order->is_json ? command->json_path : command->text_path;
    if (command->run != NULL)
        return command->run(order);
    if (order->n_words > 1)
        return wrong_usage("too many words");
    if (path == NULL)
        return wrong_usage("this has no JSON form");
    if (ask(order->socket, "GET", path, NULL, &answer, &why) != 0)
        return no_daemon(&why);
    bool is_fine = answer.status == 200;
    fputs(answer.body.at, is_fine ? stdout : stderr);
    text_fini(&answer.body);
    return is_fine ? DONE : REFUSED;
}

/* FIELD=VALUE words as a JSON object; NULL when one is none. */
static char *encode_fields(const struct order *order)
{
    json_t *object = json_object();
    char *text = NULL;
    for (int i = 1; i < order->n_words; i++) {
        const char *equals = strchr(order->words[i], '=');
        if (equals == NULL || equals == order->words[i])
            goto done;
        char *name = strndup(order->words[i], (size_t)(equals - order->words[i]));
        int result = json_object_get(object, name) != NULL
                         ? -1
                         : json_object_set_new(object, name, json_string(equals + 1));
        free(name);
        if (result != 0)
            goto done;
    }
    text = json_dumps(object, 0);
done:
    json_decref(object);
    return text;
}

/* Says what the daemon said. Returns the exit status. */
static int tell(const struct ask_answer *answer, bool as_json)
{
    json_t *json = json_loads(answer->body.at, 0, NULL);
    bool is_ok = json_is_true(json_object_get(json, "ok"));
    bool is_unknown = json_is_true(json_object_get(json, "unknown_call"));
    const char *said = json_string_value(json_object_get(json, is_ok ? "message" : "error"));
    if (as_json)
        fputs(answer->body.at, stdout);
    else if (is_ok)
        printf("%s\n", said != NULL && *said != '\0' ? said : "done");
    else
        fprintf(stderr, "gaidarosctl: %s\n", said != NULL ? said : answer->body.at);
    json_decref(json);
    if (is_unknown)
        return WRONG_USAGE;
    return is_ok ? DONE : REFUSED;
}

/* A call's name is a word of letters; what is near to a command was meant as one. */
static bool is_call_name(const char *word)
{
    const char *known[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        known[i] = commands[i].word;
    const char *nearest = text_nearest(word, known, N_COMMANDS);
    if (nearest != NULL) {
        fprintf(stderr, "gaidarosctl: unknown command '%s'; did you mean '%s'?\n", word,
                nearest);
        return false;
    }
    size_t letters = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (letters > 0 && letters <= 64 && word[letters] == '\0')
        return true;
    fprintf(stderr, "gaidarosctl: '%s' is no command; see gaidarosctl -h\n", word);
    return false;
}

/* The daemon's table decides what is a call, so that an older gaidarosctl can make a newer one's. */
static int run_call(const struct order *order)
{
    struct ask_answer answer = {0};
    struct text path = {0}, why = {0};
    if (!is_call_name(order->words[0]))
        return WRONG_USAGE;
    char *body = encode_fields(order);
    if (body == NULL)
        return wrong_usage("a call's arguments are FIELD=VALUE, each field once, in UTF-8");
    text_printf(&path, "/api/%s", order->words[0]);
    int result = ask(order->socket, "POST", path.at, body, &answer, &why);
    free(body);
    text_fini(&path);
    if (result != 0)
        return no_daemon(&why);
    int status = tell(&answer, order->is_json);
    text_fini(&answer.body);
    return status;
}

/* Reads the options. Returns -1, or the exit status when all is said. */
static int read_options(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    /* '+': what follows the command is not ours. */
    for (int option; (option = getopt_long(argc, argv, "+s:o:Vh", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            order->socket = optarg;
            break;
        case 'o':
            if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
                return wrong_usage("-o takes text or json");
            order->is_json = strcmp(optarg, "json") == 0;
            break;
        case 'V':
            printf("gaidarosctl %s\n", GAIDAROS_VERSION);
            return DONE;
        case 'h':
            print_help();
            return DONE;
        default:
            return wrong_usage("unknown option");
        }
    }
    order->words = argv + optind;
    order->n_words = argc - optind;
    return -1;
}

int main(int argc, char **argv)
{
    const char *from_environment = getenv(SOCKET_VARIABLE);
    struct order order = {.socket = from_environment != NULL && *from_environment != '\0'
                                        ? from_environment
                                        : DEFAULT_SOCKET};
    int status = read_options(argc, argv, &order);
    if (status < 0 && order.n_words == 0)
        status = wrong_usage("a command is missing");
    if (status < 0 && strcmp(order.words[0], "complete") == 0)
        status = run_complete(&order);
    if (status < 0) {
        const struct command *command = command_find(order.words[0]);
        status = command != NULL ? run_command(command, &order) : run_call(&order);
    }
    if (fflush(stdout) != 0)
        status = status == DONE ? REFUSED : status;
    return status;
}
