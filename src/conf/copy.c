/* SPDX-License-Identifier: MIT */
/* A copy of what was read, for a configuration that differs from it in little. */
#include "conf/copy.h"

#include <string.h>

#include "conf/assemble.h"
#include "conf/build.h"
#include "conf/check.h"

/* Origins of one file share its name, in the copy as well. */
struct copier {
    struct conf_store *store;
    const char *original, *copy;
};

static const char *copy_string(struct copier *copier, const char *string)
{
    return arena_copy(&copier->store->arena, string, strlen(string));
}

static bool copy_origin(struct copier *copier, const struct origin *from, struct origin *out)
{
    *out = *from;
    if (from->file == NULL)
        return true;
    if (from->file != copier->original) {
        copier->original = from->file;
        copier->copy = copy_string(copier, from->file);
    }
    out->file = copier->copy;
    return out->file != NULL;
}

static bool copy_section(struct copier *copier, const struct conf_section *from)
{
    struct origin origin;
    struct conf_section *section = NULL;
    if (copy_origin(copier, &from->origin, &origin))
        section = store_add_section(copier->store, from->kind, from->name, &origin);
    if (section == NULL)
        return false;
    for (const struct conf_line *line = from->first; line != NULL; line = line->next) {
        if (line->is_overridden)
            continue;
        struct conf_line *added = NULL;
        if (copy_origin(copier, &line->origin, &origin))
            added = store_add_line(copier->store, section, line->row, line->value, &origin);
        if (added == NULL)
            return false;
        added->is_override = line->is_override;
    }
    return true;
}

/* In the same order: where a file is named twice the first is found. */
static bool copy_files(struct copier *copier, const struct conf_store *from)
{
    struct conf_file **end = &copier->store->files;
    for (const struct conf_file *file = from->files; file != NULL; file = file->next) {
        struct conf_file *added = arena_take(&copier->store->arena, sizeof *added);
        if (added == NULL)
            return false;
        added->bytes = arena_copy(&copier->store->arena, (const char *)file->file.bytes,
                                  file->file.length);
        added->file.path = copy_string(copier, file->file.path);
        added->file.bytes = (unsigned char *)added->bytes;
        added->file.length = file->file.length;
        added->key_for = file->key_for;
        added->is_open = file->is_open;
        added->is_watched = file->is_watched;
        added->is_changed = file->is_changed;
        added->stamp = file->stamp;
        added->seen = file->seen;
        added->tried = file->tried;
        if (added->file.path == NULL || added->bytes == NULL)
            return false;
        *end = added;
        end = &added->next;
    }
    return true;
}

static bool fill(struct copier *copier, const struct conf_store *from,
                 const struct addresses *addresses)
{
    struct conf_store *store = copier->store;
    store->has_file = from->has_file;
    store->is_edited = from->is_edited;
    store->path = copy_string(copier, from->path);
    store->folder = copy_string(copier, from->folder);
    if (store->path == NULL || store->folder == NULL || !copy_files(copier, from) ||
        addresses_copy(&store->addresses, addresses) != 0)
        return false;
    for (const struct conf_section *section = from->first; section != NULL;
         section = section->next)
        if (!section->is_duplicate && !copy_section(copier, section))
            return false;
    return true;
}

struct conf_store *store_copy(const struct conf_store *from, const struct addresses *addresses)
{
    struct copier copier = {.store = store_new()};
    if (copier.store != NULL && fill(&copier, from, addresses))
        return copier.store;
    store_free(copier.store);
    return NULL;
}

/* Only the errors count. */
static void take_errors(struct problems *problems, const struct problems *found)
{
    if (found->errors.length > 0)
        text_append(&problems->errors, found->errors.at, found->errors.length);
    problems->n_errors += found->n_errors;
}

struct model *store_assemble_copy(struct conf_store *store, struct problems *problems)
{
    struct problems found = {0};
    struct model *model = NULL;
    if (store != NULL)
        model = model_assemble(store, &found);
    if (model == NULL)
        store_free(store);
    if (model == NULL && found.n_errors == 0)
        problems_add(&found, NULL, NULL, NULL, "out of memory");
    if (model != NULL && found.n_errors == 0)
        model_check(model, &found);
    if (model != NULL && found.n_errors > 0) {
        conf_free(model);
        model = NULL;
    }
    take_errors(problems, &found);
    problems_fini(&found);
    return model;
}
