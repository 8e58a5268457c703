/* SPDX-License-Identifier: MIT */
/* Makes fixed-width columns out of tab-separated lines. */
#include "admin/columns.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COLUMNS_MOST 24

struct columns {
    size_t width[COLUMNS_MOST];
    bool is_right[COLUMNS_MOST];
};

void columns_add_word(struct text *table, const char *word)
{
    if (*word == '\0') {
        text_add(table, "-");
        return;
    }
    struct text escaped = {0};
    text_add_escaped(&escaped, word);
    for (size_t i = 0; i < escaped.length; i++) {
        if (escaped.at[i] == ' ')
            text_add(table, "\\x20");
        else
            text_append(table, &escaped.at[i], 1);
    }
    table->failed |= escaped.failed;
    text_fini(&escaped);
}

/* The end of the cell at start: its tab or newline. */
static const char *cell_end(const char *start)
{
    return start + strcspn(start, "\t\n");
}

static void measure(const struct text *table, struct columns *columns)
{
    size_t column = 0;
    bool is_heading = true;
    for (const char *at = table->at; *at != '\0';) {
        const char *end = cell_end(at);
        size_t width = (size_t)(end - at);
        if (is_heading && *at == '>') {
            columns->is_right[column] = true;
            width--;
        }
        if (width > columns->width[column])
            columns->width[column] = width;
        is_heading = is_heading && *end != '\n';
        column = *end == '\t' && column + 1 < COLUMNS_MOST ? column + 1 : 0;
        at = *end == '\0' ? end : end + 1;
    }
}

static void pad(struct text *out, size_t blanks)
{
    text_printf(out, "%*s", (int)blanks, "");
}

void columns_align(struct text *out, const struct text *table)
{
    if (table->length == 0 || table->failed) {
        out->failed |= table->failed;
        return;
    }
    struct columns columns = {0};
    measure(table, &columns);

    size_t column = 0;
    bool is_heading = true;
    for (const char *at = table->at; *at != '\0';) {
        const char *end = cell_end(at);
        if (is_heading && *at == '>')
            at++;
        size_t width = (size_t)(end - at);
        if (columns.is_right[column])
            pad(out, columns.width[column] - width);
        text_append(out, at, width);
        if (*end == '\t') {
            if (!columns.is_right[column])
                pad(out, columns.width[column] - width);
            text_add(out, "  ");
            column = column + 1 < COLUMNS_MOST ? column + 1 : 0;
        } else {
            text_add(out, "\n");
            column = 0;
            is_heading = false;
        }
        at = *end == '\0' ? end : end + 1;
    }
}
