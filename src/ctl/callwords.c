/* SPDX-License-Identifier: MIT */
/* The calls of ctl/words.h as gaidarosctl looks at them. */
#include "ctl/callwords.h"

#include <stdio.h>
#include <string.h>

#include "ctl/words.h"

enum { FIELDS_MOST = 16 };

/* clang-format off */
#define CALL_NOW(call, handler, fields, says) {#call, fields, says},
#define CALL_LATER(call, fields)
/* clang-format on */
static const struct callword calls[] = {CALL_WORDS(CALL_NOW, CALL_LATER)};

const struct callword *callwords_all(size_t *n)
{
    *n = sizeof calls / sizeof *calls;
    return calls;
}

const struct callword *callwords_find(const char *word)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].word, word) == 0)
            return &calls[i];
    }
    return NULL;
}

bool callwords_next(const char **at, struct callfield *field)
{
    *at += strspn(*at, " ");
    field->is_optional = **at == '[';
    *at += field->is_optional;
    size_t length = strcspn(*at, " ]");
    if (length == 0)
        return false;
    snprintf(field->name, sizeof field->name, "%.*s", (int)length, *at);
    *at += length + strspn(*at + length, "]");
    return true;
}

const char *callwords_value(char *const *words, size_t n_words, const char *field)
{
    size_t length = strlen(field);
    for (size_t i = 0; i < n_words; i++) {
        if (strncmp(words[i], field, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    }
    return NULL;
}

/* Says of a word that no field is called so. */
static void tell_unknown(const struct callword *call, const char *word,
                         const char *const *names, size_t n_names, struct text *why)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *nearest = text_nearest(name, names, n_names);
    text_printf(why, "%s takes no field '%s'", call->word, name);
    if (nearest != NULL)
        text_printf(why, "; did you mean '%s'?", nearest);
    else if (n_names > 0)
        text_printf(why, "; its fields: %s", call->fields);
    else
        text_add(why, ", nor any other");
}

bool callwords_check(const struct callword *call, char *const *words, size_t n_words,
                     struct text *why)
{
    struct callfield fields[FIELDS_MOST];
    const char *names[FIELDS_MOST], *at = call->fields;
    size_t n = 0;
    while (n < FIELDS_MOST && callwords_next(&at, &fields[n])) {
        names[n] = fields[n].name;
        n++;
    }
    for (size_t i = 0; i < n_words; i++) {
        bool is_known = false;
        for (size_t k = 0; k < n && !is_known; k++)
            is_known = callwords_value(words + i, 1, names[k]) != NULL;
        if (!is_known) {
            tell_unknown(call, words[i], names, n, why);
            return false;
        }
    }
    for (size_t k = 0; k < n; k++) {
        if (fields[k].is_optional || callwords_value(words, n_words, names[k]) != NULL)
            continue;
        text_printf(why, "%s needs %s=; its fields: %s", call->word, names[k], call->fields);
        return false;
    }
    return true;
}
