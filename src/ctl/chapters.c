/* SPDX-License-Identifier: MIT */
/* The tables of commands and calls as help and as the manual's chapters. */
#include "ctl/chapters.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/callwords.h"
#include "ctl/commands.h"

void chapters_add_help(struct text *out)
{
    size_t n_commands, n_calls;
    const struct command *commands = commands_all(&n_commands);
    const struct callword *calls = callwords_all(&n_calls);
    text_add(out, "commands:\n");
    for (size_t i = 0; i < n_commands; i++)
        text_printf(out, "  %s%s%s\n      %s\n", commands[i].word,
                    commands[i].arguments[0] != '\0' ? " " : "", commands[i].arguments,
                    commands[i].says);
    text_add(out, "\ncalls (a field in [] may be left out; a name is that of all addresses of "
                  "a host,\nor NAME@ADDRESS):\n");
    for (size_t i = 0; i < n_calls; i++) {
        text_printf(out, "  %-16s %s\n", calls[i].word, calls[i].says);
        if (calls[i].fields[0] != '\0')
            text_printf(out, "  %-16s   fields: %s\n", "", calls[i].fields);
    }
}

/* Text for roff: backslashes and hyphens mean themselves; so does a quote, where it ends an argument. */
static void add_roff(struct text *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\')
            text_add(out, "\\e");
        else if (*at == '-')
            text_add(out, "\\-");
        else if (*at == '"')
            text_add(out, "\\(dq");
        else
            text_append(out, at, 1);
    }
}

/* As a sentence: it begins with a capital and ends with a point. */
static void add_sentence(struct text *out, const char *says)
{
    char first = (char)toupper((unsigned char)says[0]);
    text_append(out, &first, 1);
    add_roff(out, says + 1);
    text_add(out, ".\n");
}

/* What is typed as it stands is bold, what stands for something else, words of capitals, italic, signs are plain. */
static char font_of(const char *text, const char *at)
{
    if (strchr("[]|. ", *at) != NULL)
        return 'R';
    if (!isupper((unsigned char)*at))
        return 'B';
    bool is_in_word =
        isupper((unsigned char)at[1]) || (at > text && isupper((unsigned char)at[-1]));
    return is_in_word ? 'I' : 'B';
}

static void add_arguments(struct text *out, const char *arguments)
{
    char now = 'R';
    for (const char *at = arguments; *at != '\0'; at++) {
        const char font = font_of(arguments, at), one[] = {*at, '\0'};
        if (font != now)
            text_printf(out, "\\f%c", font);
        now = font;
        add_roff(out, one);
    }
    if (now != 'R')
        text_add(out, "\\fR");
}

/* hostDrain service=SERVICE ... [over=OVER] */
static void add_fields(struct text *out, const char *fields)
{
    struct callfield field;
    while (callwords_next(&fields, &field)) {
        text_printf(out, " %s\\fB", field.is_optional ? "\\fR[" : "");
        add_roff(out, field.name);
        text_add(out, "=\\fI");
        for (const char *c = field.name; *c != '\0'; c++) {
            char upper = (char)toupper((unsigned char)*c);
            text_append(out, &upper, 1);
        }
        text_add(out, field.is_optional ? "\\fR]" : "\\fR");
    }
}

void chapters_add_manual(struct text *out)
{
    size_t n_commands, n_calls;
    const struct command *commands = commands_all(&n_commands);
    const struct callword *calls = callwords_all(&n_calls);
    for (size_t i = 0; i < n_commands; i++) {
        text_printf(out, ".\\\" COMMAND %s\n.TP\n\\fB%s\\fR%s", commands[i].word,
                    commands[i].word, commands[i].arguments[0] != '\0' ? " " : "");
        add_arguments(out, commands[i].arguments);
        text_add(out, "\n");
        add_sentence(out, commands[i].says);
    }
    for (size_t i = 0; i < n_calls; i++) {
        text_printf(out, ".\\\" CALL %s\n.TP\n\\fB%s\\fR", calls[i].word, calls[i].word);
        add_fields(out, calls[i].fields);
        text_add(out, "\n");
        add_sentence(out, calls[i].says);
    }
}
