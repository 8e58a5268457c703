/* SPDX-License-Identifier: MIT */
/*
 * A configuration written back into the files it came from.
 *
 * Every line that was read knows its file and its number there. So each line of each file gets a
 * fate: it stays, goes, gets another value, is followed by new ones. Then the files are put together again.
 */
#include "conf/save.h"

#include <stdlib.h>
#include <string.h>

#include "conf/directives.h"
#include "conf/quotes.h"
#include "conf/store.h"

/* What becomes of one line of a file. */
struct fate {
    bool goes;
    const char *value;  /* NULL: as it is */
    struct text behind; /* new lines, each with its end; owned */
};

/* A file under way. */
struct plan {
    struct saved_file *file;
    struct fate *fates; /* by line number, from 1; 0: in front of the first. Owned */
    size_t n_lines;
};

struct work {
    struct plan *plans; /* owned */
    size_t n_plans;
    const struct conf_store *disk, *wanted;
    struct text tail; /* new sections; owned */
    bool has_failed;
};

static size_t count_lines(const struct saved_file *file)
{
    size_t n = 0;
    for (size_t i = 0; i < file->length; i++)
        n += file->bytes[i] == '\n';
    return n + (file->length > 0 && file->bytes[file->length - 1] != '\n');
}

static struct plan *plan_of(const struct work *work, const struct origin *origin)
{
    for (size_t i = 0; i < work->n_plans; i++)
        if (origin->file != NULL && strcmp(work->plans[i].file->path, origin->file) == 0)
            return &work->plans[i];
    return NULL;
}

static struct fate *fate_of(const struct work *work, const struct origin *origin)
{
    const struct plan *plan = plan_of(work, origin);
    return plan != NULL && origin->line <= plan->n_lines ? &plan->fates[origin->line] : NULL;
}

static void add_pair(struct text *out, const struct conf_line *line)
{
    text_printf(out, "%s = ", line->row->key);
    quotes_add_value(out, line->value);
    text_add(out, "\n");
}

/* ---- which line is which ---- */

/* A line that the files hold, and that has an effect or would have one. */
static bool is_written(const struct conf_line *line)
{
    return !line->is_override;
}

/* The command line stands over this key: what the file says of it stays. */
static bool is_overridden(const struct conf_section *section, const struct directive *row)
{
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (line->row == row && line->is_override)
            return true;
    return false;
}

/* Values of a list stand for the same thing when their first word does: a host's, a user's name. */
static bool has_same_head(const char *a, const char *b)
{
    size_t length = strcspn(a, " \t");
    return strcspn(b, " \t") == length && strncmp(a, b, length) == 0;
}

/* The wanted line for this one of the file: of the same value, else (loosely) of the same name or key. */
static struct conf_line *partner(const struct conf_section *wanted,
                                 const struct conf_line *line, bool is_loose)
{
    for (struct conf_line *other = wanted->first; other != NULL; other = other->next) {
        if (other->row != line->row || !is_written(other) || other->is_matched)
            continue;
        bool is_same = is_loose
                           ? !line->row->repeats || has_same_head(other->value, line->value)
                           : strcmp(other->value, line->value) == 0;
        if (is_same)
            return other;
    }
    return NULL;
}

/* Matches lines of the file; one that gets another value has it noted in its fate. */
static void match_lines(struct work *work, const struct conf_section *disk,
                        const struct conf_section *wanted, bool is_loose)
{
    for (struct conf_line *line = disk->first; line != NULL; line = line->next) {
        if (!is_written(line) || line->is_matched || is_overridden(wanted, line->row))
            continue;
        struct conf_line *other = partner(wanted, line, is_loose);
        if (other == NULL)
            continue;
        line->is_matched = other->is_matched = true;
        struct fate *fate = fate_of(work, &line->origin);
        if (is_loose && fate != NULL)
            fate->value = other->value;
    }
}

/* Where a new line of this key goes: behind the last of its key, else of the section, else its heading. */
static struct fate *place_for(const struct work *work, const struct conf_section *disk,
                              const struct directive *row)
{
    const struct origin *place = &disk->origin;
    bool is_of_key = false;
    for (const struct conf_line *line = disk->first; line != NULL; line = line->next) {
        if (!is_written(line) || (is_of_key && line->row != row))
            continue;
        place = &line->origin;
        is_of_key = line->row == row;
    }
    return fate_of(work, place);
}

static void save_section(struct work *work, const struct conf_section *disk,
                         const struct conf_section *wanted)
{
    match_lines(work, disk, wanted, false);
    match_lines(work, disk, wanted, true);
    for (const struct conf_line *line = disk->first; line != NULL; line = line->next) {
        struct fate *fate = fate_of(work, &line->origin);
        if (fate != NULL && is_written(line) && !line->is_matched &&
            !is_overridden(wanted, line->row))
            fate->goes = true;
    }
    for (const struct conf_line *line = wanted->first; line != NULL; line = line->next) {
        if (!is_written(line) || line->is_matched)
            continue;
        struct fate *fate = place_for(work, disk, line->row);
        if (fate != NULL)
            add_pair(&fate->behind, line);
        else
            work->has_failed = true;
    }
}

/* ---- sections ---- */

static const char *line_start(const struct saved_file *file, size_t number)
{
    const char *at = file->bytes;
    while (--number > 0)
        at = (const char *)memchr(at, '\n', (size_t)(file->bytes + file->length - at)) + 1;
    return at;
}

static bool is_comment(const struct saved_file *file, size_t number)
{
    const char *at = line_start(file, number);
    return *at == '#' || *at == ';';
}

/* Its lines, its heading and the comment right above it. */
static void drop_section(struct work *work, const struct conf_section *section)
{
    struct plan *plan = plan_of(work, &section->origin);
    if (plan == NULL || section->origin.line == 0 || section->origin.line > plan->n_lines)
        return;
    plan->fates[section->origin.line].goes = true;
    for (size_t n = section->origin.line - 1; n > 0 && is_comment(plan->file, n); n--)
        plan->fates[n].goes = true;
    for (const struct conf_line *line = section->first; line != NULL; line = line->next) {
        struct fate *fate = fate_of(work, &line->origin);
        if (fate != NULL && is_written(line))
            fate->goes = true;
    }
}

static bool has_written(const struct conf_section *section)
{
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (is_written(line))
            return true;
    return section->first == NULL;
}

static void add_section(struct work *work, const struct conf_section *section)
{
    if (!has_written(section))
        return;
    text_printf(&work->tail, "\n[%s]\n", section->title);
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (is_written(line))
            add_pair(&work->tail, line);
}

static void decide(struct work *work)
{
    for (const struct conf_section *section = work->disk->first; section != NULL;
         section = section->next) {
        const struct conf_section *wanted =
            store_find_section(work->wanted, section->kind, section->name);
        if (wanted != NULL)
            save_section(work, section, wanted);
        else
            drop_section(work, section);
    }
    for (const struct conf_section *section = work->wanted->first; section != NULL;
         section = section->next)
        if (store_find_section(work->disk, section->kind, section->name) == NULL)
            add_section(work, section);
}

/* ---- putting the files together ---- */

/* The line with another value: what stands before and behind the old one stays. */
static void add_replaced(struct work *work, struct text *out, const char *line, size_t length,
                         const char *value)
{
    const char *why;
    char *copy = strndup(line, length);
    char *equals = copy != NULL ? strchr(copy, '=') : NULL;
    size_t used;
    if (equals == NULL || !quotes_find_end(equals + 1, &used, &why)) {
        work->has_failed = true;
        free(copy);
        return;
    }
    const char *raw = equals + 1;
    size_t blanks = strspn(raw, " \t");
    text_append(out, copy, (size_t)(raw - copy));
    text_append(out, blanks > 0 ? raw : " ", blanks > 0 ? blanks : 1);
    quotes_add_value(out, value);
    text_add(out, raw + (used > blanks ? used : blanks));
    free(copy);
}

static void end_line(struct text *out)
{
    if (out->length > 0 && out->at[out->length - 1] != '\n')
        text_add(out, "\n");
}

static void put_together(struct work *work, struct plan *plan)
{
    struct saved_file *file = plan->file;
    struct text *out = &file->text;
    const char *at = file->bytes, *end = file->bytes + file->length;
    for (size_t n = 0; n <= plan->n_lines; n++) {
        const struct fate *fate = &plan->fates[n];
        if (n > 0) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            const char *stop = newline != NULL ? newline : end;
            size_t ending = stop > at && stop[-1] == '\r' ? 1 : 0;
            size_t length = (size_t)(stop - at) - ending;
            if (!fate->goes && fate->value != NULL)
                add_replaced(work, out, at, length, fate->value);
            else if (!fate->goes)
                text_append(out, at, length);
            at = newline != NULL ? newline + 1 : end;
            if (!fate->goes)
                text_append(out, stop - ending, (size_t)(at - stop) + ending);
        }
        if (fate->behind.length > 0) {
            end_line(out);
            text_append(out, fate->behind.at, fate->behind.length);
        }
    }
    if (plan == work->plans && work->tail.length > 0) {
        end_line(out);
        text_append(out, work->tail.at, work->tail.length);
    }
    file->is_changed = out->length != file->length ||
                       (out->length > 0 && memcmp(out->at, file->bytes, out->length) != 0);
    work->has_failed |= out->failed;
}

static bool make_plans(struct work *work, struct saved_file *files)
{
    work->plans = calloc(work->n_plans, sizeof *work->plans);
    for (size_t i = 0; work->plans != NULL && i < work->n_plans; i++) {
        struct plan *plan = &work->plans[i];
        plan->file = &files[i];
        plan->n_lines = count_lines(&files[i]);
        plan->fates = calloc(plan->n_lines + 1, sizeof *plan->fates);
        if (plan->fates == NULL)
            return false;
    }
    return work->plans != NULL;
}

static void free_plans(struct work *work)
{
    for (size_t i = 0; work->plans != NULL && i < work->n_plans; i++) {
        struct plan *plan = &work->plans[i];
        for (size_t n = 0; plan->fates != NULL && n <= plan->n_lines; n++)
            text_fini(&plan->fates[n].behind);
        free(plan->fates);
    }
    free(work->plans);
    text_fini(&work->tail);
}

bool conf_save(struct saved_file *files, size_t n_files, const struct model *disk,
               const struct model *wanted)
{
    struct work work = {.n_plans = n_files, .disk = disk->store, .wanted = wanted->store};
    bool has_memory = make_plans(&work, files);
    if (has_memory) {
        decide(&work);
        for (size_t i = 0; i < n_files; i++)
            put_together(&work, &work.plans[i]);
        has_memory = !work.has_failed && !work.tail.failed;
    }
    free_plans(&work);
    return has_memory;
}
