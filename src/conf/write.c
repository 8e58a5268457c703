/* SPDX-License-Identifier: MIT */
/* From the table and a model to text: dump, manual tables, help. */
#include "conf/write.h"

#include <string.h>

#include "conf/directives.h"

enum { HELP_COLUMN = 24 }; /* where the sentences of --help begin, as those of the options do */

static void write_value(struct text *out, const struct model *model,
                        const struct directive *row, const void *field)
{
    text_printf(out, "%s =", row->key);
    text_append(out, " ", 1);
    size_t before = out->length;
    row->kind->print(out, model, row, field);
    if (out->length == before && !out->failed)
        out->at[--out->length] = '\0'; /* "key =" without a blank behind it */
    text_append(out, "\n", 1);
}

/* All elements of a list, a line each. */
static void write_list(struct text *out, const struct model *model, const struct directive *row,
                       const unsigned char *base)
{
    const void *elements;
    size_t n;
    memcpy(&elements, base + row->offset, sizeof elements);
    memcpy(&n, base + row->count_offset, sizeof n);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *element = (const unsigned char *)elements + i * row->bytes;
        /* What has become several elements is still written as the one line it was. */
        if (i == 0 || row->kind->is_continued == NULL ||
            !row->kind->is_continued(element, element - row->bytes))
            write_value(out, model, row, element);
    }
}

/*
 * A default place is only skipped where it cannot be used, one that is named is an error: it is
 * written as a comment, so that the text reads back to the same.
 */
static bool is_only_default(const struct model *model, const struct directive *row)
{
    const struct conf_section *global = store_find_section(model->store, SECTION_GLOBAL, "");
    bool is_place = row->section == SECTION_GLOBAL && row->may_be_empty;
    return is_place && model->store->has_file && store_find_line(global, row) == NULL;
}

static void write_section(struct text *out, const struct model *model, enum section_kind kind,
                          const char *name, const void *base)
{
    size_t n;
    const struct directive *rows = directives_all(&n);
    text_printf(out, out->length > 0 ? "\n[%s%s%s]\n" : "[%s%s%s]\n", store_kind_word(kind),
                name[0] != '\0' ? " " : "", name);
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        /* What includes brought in is written out, keys of later issues have no meaning yet. */
        if (row->section != kind || row->bytes == 0 || row->is_later)
            continue;
        if (is_only_default(model, row))
            text_add(out, "#");
        if (row->repeats)
            write_list(out, model, row, base);
        else
            write_value(out, model, row, (const unsigned char *)base + row->offset);
    }
}

void conf_write(struct text *out, const struct model *model)
{
    write_section(out, model, SECTION_GLOBAL, "", &model->global);
    write_section(out, model, SECTION_ADMIN, "", &model->admin);
    for (size_t i = 0; i < model->n_services; i++)
        write_section(out, model, SECTION_SERVICE, model->services[i].name,
                      &model->services[i]);
    for (size_t i = 0; i < model->n_groups; i++)
        write_section(out, model, SECTION_GROUP, model->groups[i].name, &model->groups[i]);
}

void conf_write_restarts(struct text *out, const struct model *now, const struct model *next)
{
    size_t n;
    const struct directive *rows = directives_all(&n);
    struct text old_value = {0}, new_value = {0};
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        if (row->section != SECTION_GLOBAL || row->reach != REACH_RESTART || row->bytes == 0)
            continue;
        text_clear(&old_value);
        text_clear(&new_value);
        row->kind->print(&old_value, now, row, (const char *)&now->global + row->offset);
        row->kind->print(&new_value, next, row, (const char *)&next->global + row->offset);
        bool is_same = old_value.length == new_value.length &&
                       (old_value.length == 0 ||
                        memcmp(old_value.at, new_value.at, old_value.length) == 0);
        if (!is_same)
            text_printf(out, "%s%s", out->length > 0 ? " " : "", row->key);
    }
    text_fini(&old_value);
    text_fini(&new_value);
}

/* ---- the manual ---- */

/* A sentence for roff: backslashes and hyphens mean themselves, no line begins with a control. */
static void write_roff(struct text *out, const char *says)
{
    if (says[0] == '.' || says[0] == '\'')
        text_add(out, "\\&");
    for (const char *c = says; *c != '\0'; c++) {
        if (*c == '\\')
            text_add(out, "\\e");
        else if (*c == '-')
            text_add(out, "\\-");
        else
            text_append(out, c, 1);
    }
}

static void write_manual_row(struct text *out, const struct directive *row)
{
    text_printf(out, ".TP\n\\fB%s\\fR = \\fI", row->key);
    for (size_t i = 0; i < row->n_words; i++)
        text_printf(out, "%s%s", i > 0 ? " | " : "", row->words[i].word);
    if (row->n_words == 0)
        write_roff(out, row->kind->noun);
    text_add(out, "\\fR");
    if (row->repeats)
        text_add(out, ", repeats");
    text_add(out, "\n");
    write_roff(out, row->says);
    text_add(out, "\n");
    if (row->def != NULL && row->def[0] != '\0') {
        text_add(out, "Default: ");
        write_roff(out, row->def);
        text_add(out, ".\n");
    }
    if (row->kind->number != NULL && row->min != NULL && row->max != NULL)
        text_printf(out, "From %s to %s.\n", row->min, row->max);
    if (row->is_required)
        text_add(out, "Must be given.\n");
    if (row->is_later)
        text_add(out, "Not yet supported: only the default is accepted.\n");
    else if (row->reach == REACH_RESTART)
        text_add(out, "A change needs a restart.\n");
    else
        text_printf(out, "A reload changes it %s%s.\n", row->reach == REACH_NOW ? "" : "for ",
                    directives_reach_word(row->reach));
}

void conf_write_manual(struct text *out)
{
    size_t n;
    const struct directive *rows = directives_all(&n);
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        bool is_named = kind == SECTION_SERVICE || kind == SECTION_GROUP;
        text_printf(out, ".SS [%s%s]\n", store_kind_word((enum section_kind)kind),
                    is_named ? " NAME" : "");
        for (size_t i = 0; i < n; i++)
            if (rows[i].section == (enum section_kind)kind)
                write_manual_row(out, &rows[i]);
    }
}

void conf_write_help(struct text *out)
{
    size_t n;
    const struct directive *rows = directives_all(&n);
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        bool is_named = kind == SECTION_SERVICE || kind == SECTION_GROUP;
        text_printf(out, "[%s%s]\n", store_kind_word((enum section_kind)kind),
                    is_named ? " NAME" : "");
        for (size_t i = 0; i < n; i++) {
            struct text left = {0};
            if (rows[i].section != (enum section_kind)kind || rows[i].is_later)
                continue;
            text_printf(&left, "%s = %s", rows[i].key, rows[i].def != NULL ? rows[i].def : "");
            text_printf(out, "  %-*s", HELP_COLUMN, left.at != NULL ? left.at : "");
            if (left.length > HELP_COLUMN)
                text_printf(out, "\n  %-*s", HELP_COLUMN, "");
            text_printf(out, " %s%s\n", rows[i].says, rows[i].repeats ? " Repeats." : "");
            text_fini(&left);
        }
    }
}

const char *conf_scheduler_word(enum scheduler_kind kind)
{
    return directives_word(DIRECTIVE_OF(SECTION_GROUP, model_group, scheduler), (int64_t)kind);
}
