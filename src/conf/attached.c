/* SPDX-License-Identifier: MIT */
/* Files that values name: read once, kept in the store, found there by path ever after. */
#include "conf/attached.h"

#include <limits.h>
#include <string.h>

#include "conf/files.h"

#define CERTIFICATES_MOST_BYTES ((size_t)1 << 20)

static const struct conf_file *find(const struct conf_store *store, const char *path)
{
    for (const struct conf_file *file = store->files; file != NULL; file = file->next)
        if (strcmp(file->file.path, path) == 0)
            return file;
    return NULL;
}

/* Reads the file into the store's arena; false with a sentence in why. */
static bool read_into(struct conf_store *store, const char *path, size_t most_bytes,
                      bool is_secret, struct conf_file *file, struct text *why)
{
    struct file_bytes read;
    struct text fault = {0};
    text_printf(why, "%s ", path);
    if (file_read(path, 0, &read, &fault) != 0) {
        text_add(why, fault.at != NULL ? fault.at : "cannot be read");
    } else if (is_secret && file_is_open(&read)) {
        text_printf(why, "may be read by others (mode %04o): chmod o-r", (unsigned)read.mode);
    } else if (read.length > most_bytes) {
        text_printf(why, "is larger than %zu KiB", most_bytes >> 10);
    } else {
        const char *copy =
            arena_copy(&store->arena, read.length > 0 ? read.bytes : "", read.length);
        file->file = (struct model_file){path, (const unsigned char *)copy, read.length};
        if (copy == NULL)
            text_add(why, "does not fit into memory");
    }
    file_bytes_fini(&read);
    text_fini(&fault);
    return file->file.bytes != NULL;
}

static bool take(struct value_context *context, const char *path, size_t most_bytes,
                 bool is_secret, struct model_file *out)
{
    struct conf_store *store = context->store;
    const char *whole;
    if (!value_take_path(context, path, PATH_MAX - 1, &whole))
        return false;
    const struct conf_file *known = store != NULL ? find(store, whole) : NULL;
    if (known != NULL && known->file.length > most_bytes) {
        text_printf(context->why, "%s is larger than %zu KiB", whole, most_bytes >> 10);
        return false;
    }
    if (known == NULL) {
        if (store == NULL || !store->may_read) {
            text_printf(context->why, "%s has not come with the configuration", whole);
            return false;
        }
        struct conf_file *file = arena_take(&store->arena, sizeof *file);
        if (file == NULL) {
            text_add(context->why, "out of memory");
            return false;
        }
        if (!read_into(store, whole, most_bytes, is_secret, file, context->why))
            return false;
        text_clear(context->why);
        file->next = store->files;
        store->files = file;
        known = file;
    }
    *out = known->file;
    return true;
}

bool attached_take(struct value_context *context, const char *path, size_t most_bytes,
                   struct model_file *out)
{
    return take(context, path, most_bytes, false, out);
}

bool attached_take_secret(struct value_context *context, const char *path, size_t most_bytes,
                          struct model_file *out)
{
    return take(context, path, most_bytes, true, out);
}

static bool parse_certificates(struct value_context *context, const char *value, void *field)
{
    struct model_file file = {.path = ""};
    const char *path, *why = NULL;
    if (!quotes_unwrap(context->arena, value, &path, &why)) {
        text_add(context->why, why);
        return false;
    }
    if (path[0] != '\0' && !attached_take(context, path, CERTIFICATES_MOST_BYTES, &file))
        return false;
    memcpy(field, &file, sizeof file);
    return true;
}

static void print_certificates(struct text *out, const struct model *model,
                               const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_file *file = field;
    quotes_add_text(out, file->path);
}

const struct value_kind value_certificates = {
    .noun = "path", .form = "a path", .parse = parse_certificates, .print = print_certificates};
