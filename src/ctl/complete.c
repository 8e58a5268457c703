/* SPDX-License-Identifier: MIT */
/* What could stand next on a command line of gaidarosctl, for shells. */
#include "ctl/complete.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "ctl/words.h"
#include "net/ask.h"

enum { DONE = 0, WRONG_USAGE = 2 };

/* clang-format off */
static const struct call {
    const char *word, *fields;
} calls[] = {
#define CALL_NOW(call, handler, fields, says) {#call, fields},
#define CALL_LATER(call, fields)
    CALL_WORDS(CALL_NOW, CALL_LATER)
};

/* Fields of which the daemon knows nothing that we do not. */
static const struct {
    const char *field, *values;
} fixed[] = {
    {"scheduler", "roundrobin leastconn random weighted twochoices source maglev first"},
    {"access", "full readonly"},
};

static const char filters[] = "service group host source age bytes limit";

static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash",
     "_gaidarosctl() {\n"
     "    local line=${COMP_LINE:0:COMP_POINT}\n"
     "    local -a words\n"
     "    read -ra words <<<\"$line\"\n"
     "    [[ $line == *' ' ]] && words+=('')\n"
     "    mapfile -t COMPREPLY < <(\"${words[0]}\" complete \"${words[@]:1}\" 2>/dev/null)\n"
     "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
     "    # Readline takes what stands before the '=' for another word.\n"
     "    [[ ${words[-1]} == *=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=(\"${COMPREPLY[@]#*=}\")\n"
     "    return 0\n"
     "}\n"
     "complete -F _gaidarosctl gaidarosctl\n"},
    {"zsh",
     "#compdef gaidarosctl\n"
     "_gaidarosctl() {\n"
     "    local -a found\n"
     "    found=(${(f)\"$(\"${words[1]}\" complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
     "    if [[ ${found[1]-} == *= ]]; then\n"
     "        compadd -S '' -a found\n"
     "    else\n"
     "        compadd -a found\n"
     "    fi\n"
     "}\n"
     "compdef _gaidarosctl gaidarosctl\n"},
    {"fish",
     "complete -c gaidarosctl -f -a "
     "'(gaidarosctl complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n"},
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

/* ---- values ---- */

static void offer_value(const char *field, const char *value, const char *typed)
{
    struct text word = {0};
    text_printf(&word, "%s=%s", field, value != NULL ? value : "");
    /* What a shell would cut or take for something else is left to its user. */
    if (value != NULL && !word.failed && strpbrk(value, " \t\n'\"\\$`;&|<>()*?[]{}") == NULL)
        offer(word.at, "", typed);
    text_fini(&word);
}

/* The value of a field on the command line, without its name; NULL = it is not there. */
static const char *given(char *const *words, int n_words, const char *field)
{
    size_t length = strlen(field);
    for (int i = 0; i < n_words; i++)
        if (strncmp(words[i], field, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return NULL;
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
    if (ask(socket, "GET", "/running.json", NULL, &answer, &why) == 0) {
        json_t *running = json_loads(answer.body.at, 0, NULL);
        offer_names(running, field, words, n_words, typed);
        json_decref(running);
        text_fini(&answer.body);
    }
    text_fini(&why);
}

/* ---- words ---- */

/* The names of a list that are not given yet, as NAME=; those in [] may be left out. */
static void offer_fields(const char *list, char *const *words, int n_words)
{
    while (*list != '\0') {
        char field[32];
        list += strspn(list, " []");
        size_t length = strcspn(list, " []");
        snprintf(field, sizeof field, "%.*s", (int)length, list);
        list += length + strspn(list + length, " []");
        if (length > 0 && given(words, n_words - 1, field) == NULL)
            offer(field, "=", words[n_words - 1]);
    }
}

static void offer_arguments(const char *socket, char *const *words, int n_words)
{
    if (strchr(words[n_words - 1], '=') != NULL) {
        offer_values(socket, words, n_words);
        return;
    }
    if (strcmp(words[0], "connections") == 0)
        offer_fields(filters, words + 1, n_words - 1);
    for (size_t i = 0; i < COUNT(calls); i++)
        if (strcmp(calls[i].word, words[0]) == 0)
            offer_fields(calls[i].fields, words + 1, n_words - 1);
}

int complete_words(const char *socket, char *const *words, int n_words,
                   const char *const *commands, size_t n_commands)
{
    /* Options stand in front, each with an argument. */
    while (n_words > 2 && (strcmp(words[0], "-s") == 0 || strcmp(words[0], "-o") == 0)) {
        if (words[0][1] == 's')
            socket = words[1];
        words += 2;
        n_words -= 2;
    }
    if (n_words > 1) {
        offer_arguments(socket, words, n_words);
        return DONE;
    }
    const char *typed = n_words > 0 ? words[0] : "";
    for (size_t i = 0; i < n_commands; i++)
        offer(commands[i], "", typed);
    for (size_t i = 0; i < COUNT(calls); i++)
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
