/* SPDX-License-Identifier: MIT */
/* The program gaidarosctl: talks to a running daemon over its control socket. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/asked.h"
#include "ctl/callwords.h"
#include "ctl/chapters.h"
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/exits.h"
#include "ctl/safe.h"
#include "net/ask.h"

#define DEFAULT_SOCKET "/run/gaidaros/control.sock"
#define SOCKET_VARIABLE "GAIDAROS_CONTROL"

enum { COMMANDS_MOST = 32 };

/* Prints and frees. Returns an exit status. */
static int print(struct text *text)
{
    bool is_whole = !text->failed && text->at != NULL && fputs(text->at, stdout) >= 0;
    text_fini(text);
    return is_whole ? DONE : REFUSED;
}

static int print_help(void)
{
    struct text help = {0};
    text_add(&help, "usage: gaidarosctl [-s SOCKET] [-o text|json] COMMAND\n"
                    "       gaidarosctl [-s SOCKET] [-o text|json] CALL [FIELD=VALUE ...]\n\n");
    chapters_add_help(&help);
    text_add(&help, "\n"
                    "options:\n"
                    "  -s, --socket SOCKET     the daemon's control socket\n"
                    "                          (default: $" SOCKET_VARIABLE
                    ", else " DEFAULT_SOCKET ")\n"
                    "  -o, --output text|json  how to answer (default: text)\n"
                    "  -V, --version           print the version\n"
                    "  -h, --help              print this\n"
                    "\n"
                    "exit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon answers\n");
    return print(&help);
}

static int print_manual(void)
{
    struct text manual = {0};
    chapters_add_manual(&manual);
    return print(&manual);
}

static int run_command(const struct command *command, const struct order *order)
{
    const char *path = order->is_json ? command->json_path : command->text_path;
    if (command->run != NULL)
        return command->run(order);
    if (order->n_words > 1)
        return commands_wrong("too many words");
    return path != NULL ? asked_show(order->socket, path)
                        : commands_wrong("this has no JSON form");
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
    const char *body = answer->body.at != NULL ? answer->body.at : "";
    json_t *json = json_loads(body, 0, NULL);
    bool is_ok = json_is_true(json_object_get(json, "ok"));
    bool is_unknown = json_is_true(json_object_get(json, "unknown_call"));
    const char *said = json_string_value(json_object_get(json, is_ok ? "message" : "error"));
    if (as_json) {
        safe_write(stdout, body, answer->body.length);
    } else if (is_ok) {
        said = said != NULL && *said != '\0' ? said : "done";
        safe_write(stdout, said, strlen(said));
        fputs("\n", stdout);
    } else {
        safe_complain(said != NULL ? said : body);
    }
    json_decref(json);
    if (is_unknown)
        return WRONG_USAGE;
    return is_ok ? DONE : REFUSED;
}

/* A call's name is a word of letters; what is near to a command was meant as one. */
static bool is_call_name(const char *word)
{
    const char *known[COMMANDS_MOST];
    size_t n;
    const struct command *commands = commands_all(&n);
    for (size_t i = 0; i < n && i < COMMANDS_MOST; i++)
        known[i] = commands[i].word;
    const char *nearest = text_nearest(word, known, n < COMMANDS_MOST ? n : COMMANDS_MOST);
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

/* Of a call that the table knows the fields are looked at before anybody is asked. */
static bool are_fields_right(const struct order *order)
{
    const struct callword *call = callwords_find(order->words[0]);
    struct text why = {0};
    if (call == NULL ||
        callwords_check(call, order->words + 1, (size_t)order->n_words - 1, &why))
        return true;
    safe_complain(why.at != NULL ? why.at : "out of memory");
    text_fini(&why);
    return false;
}

/* The daemon's table decides what is a call, so that an older gaidarosctl can make a newer one's. */
static int run_call(const struct order *order)
{
    struct ask_answer answer = {0};
    struct text path = {0}, why = {0};
    if (callwords_find(order->words[0]) == NULL && !is_call_name(order->words[0]))
        return WRONG_USAGE;
    char *body = encode_fields(order);
    if (body == NULL)
        return commands_wrong("a call's arguments are FIELD=VALUE, each field once, in UTF-8");
    if (!are_fields_right(order)) {
        free(body);
        return WRONG_USAGE;
    }
    text_printf(&path, "/api/%s", order->words[0]);
    int result = ask(order->socket, "POST", path.at, body, &answer, &why);
    free(body);
    text_fini(&path);
    if (result != 0)
        return asked_nobody(&why);
    int status = tell(&answer, order->is_json);
    text_fini(&answer.body);
    return status;
}

/* What is in no help: the manual's chapters, which the build asks for. */
enum { MANUAL = 256 };

/* Reads the options. Returns -1, or the exit status when all is said. */
static int read_options(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'}, {"output", required_argument, NULL, 'o'},
        {"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},
        {"manual", no_argument, NULL, MANUAL},    {0}};
    /* '+': what follows the command is not ours. */
    for (int option; (option = getopt_long(argc, argv, "+s:o:Vh", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            order->socket = optarg;
            break;
        case 'o':
            if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
                return commands_wrong("-o takes text or json");
            order->is_json = strcmp(optarg, "json") == 0;
            break;
        case 'V':
            printf("gaidarosctl %s\n", GAIDAROS_VERSION);
            return DONE;
        case 'h':
            return print_help();
        case MANUAL:
            return print_manual();
        default:
            return commands_wrong("unknown option");
        }
    }
    order->words = argv + optind;
    order->n_words = argc - optind;
    return -1;
}

static int run(const struct order *order)
{
    if (order->n_words == 0)
        return commands_wrong("a command is missing");
    /* What shells ask; it stands in no help. */
    if (strcmp(order->words[0], "complete") == 0)
        return complete_words(order->socket, order->words + 1, order->n_words - 1);
    const struct command *command = commands_find(order->words[0]);
    return command != NULL ? run_command(command, order) : run_call(order);
}

int main(int argc, char **argv)
{
    const char *from_environment = getenv(SOCKET_VARIABLE);
    struct order order = {.socket = from_environment != NULL && *from_environment != '\0'
                                        ? from_environment
                                        : DEFAULT_SOCKET};
    int status = read_options(argc, argv, &order);
    if (status < 0)
        status = run(&order);
    if (fflush(stdout) != 0)
        status = status == DONE ? REFUSED : status;
    return status;
}
