/* SPDX-License-Identifier: MIT */
/* What could stand next on a command line of gaidarosctl, for shells. */
#include "ctl/complete.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/callwords.h"
#include "ctl/commands.h"
#include "ctl/exits.h"
#include "net/ask.h"

enum { PATIENCE_S = 2 };

/* Fields of which the daemon knows nothing that we do not. */
static const struct {
    const char *field, *values;
} fixed[] = {
    {"scheduler", "roundrobin leastconn random weighted twochoices source maglev first"},
    {"access", "full readonly"},
};

static const char filters[] = "service group host source age bytes limit";

/* What commands and options take besides FIELD=VALUE. */
static const struct {
    const char *word, *values;
} arguments[] = {
    {"config", "running"}, {"completion", "bash zsh fish"}, {"top", "-d -n"},
    {"-o", "text json"},   {"--output", "text json"},
};

/* clang-format off */
static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash",
     "_gaidarosctl() {\n"
     "    local line=${COMP_LINE:0:COMP_POINT} typed\n"
     "    local -a words\n"
     "    read -ra words <<<\"$line\"\n"
     "    [[ $line == *[[:blank:]] ]] && words+=('')\n"
     "    typed=${words[-1]}\n"
     "    COMPREPLY=()\n"
     "    case ${words[-2]-} in\n"
     "    check | -s | --socket) compopt -o default 2>/dev/null; return 0 ;;\n"
     "    esac\n"
     "    mapfile -t COMPREPLY < <(\"${words[0]}\" complete \"${words[@]:1}\" 2>/dev/null)\n"
     "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
     "    # Readline replaces what stands behind the last '=' or ':' of a word, or from its last '@' on.\n"
     "    local head=${typed%[\"$COMP_WORDBREAKS\"]*}\n"
     "    if [[ $head != \"$typed\" ]]; then\n"
     "        local length=${#head} i\n"
     "        [[ ${typed:length:1} == '@' ]] || length=$((length + 1))\n"
     "        for i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]:length}; done\n"
     "    fi\n"
     "    return 0\n"
     "}\n"
     "complete -F _gaidarosctl gaidarosctl\n"},
    {"zsh",
     "#compdef gaidarosctl\n"
     "_gaidarosctl() {\n"
     "    local -a found\n"
     "    case ${words[CURRENT-1]} in\n"
     "    check | -s | --socket) _files; return ;;\n"
     "    esac\n"
     "    found=(${(f)\"$(\"${words[1]}\" complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
     "    if [[ ${found[1]-} == *= ]]; then\n"
     "        compadd -S '' -a found\n"
     "    else\n"
     "        compadd -a found\n"
     "    fi\n"
     "}\n"
     "# As a file of the shell's it is the function's first call, too; read by eval it is not.\n"
     "if [[ ${funcstack[1]-} == _gaidarosctl ]]; then\n"
     "    _gaidarosctl \"$@\"\n"
     "else\n"
     "    compdef _gaidarosctl gaidarosctl\n"
     "fi\n"},
    {"fish",
     "function __gaidarosctl_takes_file\n"
     "    contains -- (commandline -opc)[-1] check -s --socket\n"
     "end\n"
     "complete -c gaidarosctl -n 'not __gaidarosctl_takes_file' -f -a "
     "'(gaidarosctl complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n"
     "complete -c gaidarosctl -n __gaidarosctl_takes_file -F\n"},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static void offer(const char *word, const char *ending, const char *typed)
{
    if (begins_with(word, typed))
        printf("%s%s\n", word, ending);
}

/* The words of a list with blanks between them. */
static void offer_list(const char *list, const char *typed)
{
    while (*list != '\0') {
        char word[32];
        size_t length = strcspn(list, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, list);
        offer(word, "", typed);
        list += length + strspn(list + length, " ");
    }
}

/* ---- values ---- */

/* What a shell would cut or take for something else is left to its user. */
static bool is_one_word(const char *value)
{
    for (const char *at = value; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f ||
            strchr("'\"\\$`;&|<>()*?[]{}!#~^", *at) != NULL)
            return false;
    return true;
}

static void offer_value(const char *field, const char *value, const char *typed)
{
    struct text word = {0};
    text_printf(&word, "%s=%s", field, value != NULL ? value : "");
    if (value != NULL && !word.failed && is_one_word(value))
        offer(word.at, "", typed);
    text_fini(&word);
}

static const char *given(char *const *words, int n_words, const char *field)
{
    return callwords_value(words, (size_t)n_words, field);
}

static const char *name_of(const json_t *object)
{
    return json_string_value(json_object_get(object, "name"));
}

static bool is_meant(const json_t *object, const char *name)
{
    return name == NULL || (name_of(object) != NULL && strcmp(name_of(object), name) == 0);
}

/* Services; or groups of those given; or hosts of the groups given. */
static void offer_names(const json_t *running, const char *field, char *const *words,
                        int n_words, const char *typed)
{
    const json_t *services = json_object_get(running, "services");
    const char *service = given(words, n_words - 1, "service");
    const char *group = given(words, n_words - 1, "group");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *one = json_array_get(services, i);
        if (strcmp(field, "service") == 0)
            offer_value(field, name_of(one), typed);
        const json_t *groups = json_object_get(one, "groups");
        for (size_t k = 0; is_meant(one, service) && k < json_array_size(groups); k++) {
            const json_t *of = json_array_get(groups, k), *hosts = json_object_get(of, "hosts");
            if (strcmp(field, "group") == 0)
                offer_value(field, name_of(of), typed);
            bool is_of_host = strcmp(field, "name") == 0 || strcmp(field, "host") == 0;
            for (size_t h = 0; is_of_host && is_meant(of, group) && h < json_array_size(hosts);
                 h++)
                offer_value(field, name_of(json_array_get(hosts, h)), typed);
        }
    }
}

static void offer_words(const char *field, const char *values, const char *typed)
{
    while (*values != '\0') {
        char value[32];
        size_t length = strcspn(values, " ");
        snprintf(value, sizeof value, "%.*s", (int)length, values);
        offer_value(field, value, typed);
        values += length + strspn(values + length, " ");
    }
}

/* Whether its fields name what runs: a user's name is not a host's. */
static bool is_of_daemon(const char *word)
{
    const struct callword *call = callwords_find(word);
    return strcmp(word, "connections") == 0 ||
           (call != NULL && strstr(call->fields, "service") != NULL);
}

static void offer_values(const char *socket, char *const *words, int n_words)
{
    const char *typed = words[n_words - 1];
    char field[32];
    struct ask_answer answer = {0};
    struct text why = {0};
    snprintf(field, sizeof field, "%.*s", (int)strcspn(typed, "="), typed);
    for (size_t i = 0; i < COUNT(fixed); i++)
        if (strcmp(fixed[i].field, field) == 0)
            offer_words(field, fixed[i].values, typed);
    if (!is_of_daemon(words[0]))
        return;
    /* A shell's user does not wait for a daemon that hangs: the signal ends us. */
    fflush(stdout);
    (void)alarm(PATIENCE_S);
    if (ask(socket, "GET", "/running.json", NULL, &answer, &why) == 0) {
        json_t *running = answer.body.at != NULL ? json_loads(answer.body.at, 0, NULL) : NULL;
        offer_names(running, field, words, n_words, typed);
        json_decref(running);
        text_fini(&answer.body);
    }
    text_fini(&why);
}

/* ---- words ---- */

/* The fields of a list that are not given yet, as NAME=. */
static void offer_fields(const char *list, char *const *words, int n_words)
{
    struct callfield field;
    while (callwords_next(&list, &field))
        if (given(words, n_words - 1, field.name) == NULL)
            offer(field.name, "=", words[n_words - 1]);
}

static void offer_arguments_of(const char *word, const char *typed)
{
    for (size_t i = 0; i < COUNT(arguments); i++)
        if (strcmp(arguments[i].word, word) == 0)
            offer_list(arguments[i].values, typed);
}

static void offer_arguments(const char *socket, char *const *words, int n_words)
{
    const struct callword *call = callwords_find(words[0]);
    if (strchr(words[n_words - 1], '=') != NULL)
        offer_values(socket, words, n_words);
    else if (strcmp(words[0], "connections") == 0)
        offer_fields(filters, words + 1, n_words - 1);
    else if (call != NULL)
        offer_fields(call->fields, words + 1, n_words - 1);
    else if (n_words == 2 || strcmp(words[0], "top") == 0)
        offer_arguments_of(words[0], words[n_words - 1]);
}

static bool is_option(const char *word)
{
    return strcmp(word, "-s") == 0 || strcmp(word, "--socket") == 0 ||
           strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0;
}

int complete_words(const char *socket, char *const *words, int n_words)
{
    size_t n_commands, n_calls;
    const struct command *commands = commands_all(&n_commands);
    const struct callword *calls = callwords_all(&n_calls);
    /* Options stand in front, each with an argument. */
    while (n_words > 2 && is_option(words[0])) {
        if (strcmp(words[0], "-s") == 0 || strcmp(words[0], "--socket") == 0)
            socket = words[1];
        words += 2;
        n_words -= 2;
    }
    const char *typed = n_words > 0 ? words[n_words - 1] : "";
    if (n_words == 2 && is_option(words[0])) {
        offer_arguments_of(words[0], typed);
        return DONE;
    }
    if (n_words > 1) {
        offer_arguments(socket, words, n_words);
        return DONE;
    }
    for (size_t i = 0; i < n_commands; i++)
        offer(commands[i].word, "", typed);
    for (size_t i = 0; i < n_calls; i++)
        offer(calls[i].word, "", typed);
    return DONE;
}

int complete_script(const char *shell)
{
    for (size_t i = 0; i < COUNT(scripts); i++) {
        if (strcmp(scripts[i].shell, shell) != 0)
            continue;
        fputs(scripts[i].script, stdout);
        return DONE;
    }
    fprintf(stderr, "gaidarosctl: completion is there for bash, zsh and fish\n");
    return WRONG_USAGE;
}
