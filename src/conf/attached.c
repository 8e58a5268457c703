/* SPDX-License-Identifier: MIT */
/* Files that values name: read once, kept in the store, found there by path ever after. */
#include "conf/attached.h"

#include <limits.h>
#include <string.h>

#include "conf/directives.h"
#include "conf/files.h"

#define CERTIFICATES_MOST_BYTES ((size_t)1 << 20)
#define SECRET_LEAST_BYTES ((size_t)32)
#define SECRET_MOST_BYTES ((size_t)64 << 10)

/* What a file is wanted for. */
enum need {
    FOR_ALL,   /* every process may have it */
    A_SECRET,  /* as well, but others on this machine may not read it */
    MAYBE_KEY, /* may hold a private key: then as A_KEY */
    A_KEY      /* a secret that one party alone gets */
};

static bool holds_key(const struct model_file *file)
{
    static const char mark[] = "PRIVATE KEY-----";
    return memmem(file->bytes, file->length, mark, sizeof mark - 1) != NULL;
}

/* Reads the file into the store's arena; false with a sentence in why. */
static bool read_into(struct conf_store *store, const char *path, struct conf_file *file,
                      struct text *why)
{
    struct file_bytes read;
    struct text fault = {0};
    if (file_read(path, 0, &read, &fault) != 0) {
        text_printf(why, "%s %s", path, fault.at != NULL ? fault.at : "cannot be read");
    } else {
        file->bytes = arena_copy(&store->arena, read.length > 0 ? read.bytes : "", read.length);
        file->file = (struct model_file){path, (unsigned char *)file->bytes, read.length};
        file->is_open = file_is_open(&read);
        file->stamp = read.stamp;
        if (file->bytes == NULL)
            text_printf(why, "%s does not fit into memory", path);
    }
    file_bytes_fini(&read);
    text_fini(&fault);
    return file->bytes != NULL;
}

/* The file of this path, known or read now; NULL with a sentence. */
static struct conf_file *obtain(struct value_context *context, const char *path, bool *is_known)
{
    struct conf_store *store = context->store;
    struct conf_file *file = store != NULL ? store_find_file(store, path) : NULL;
    *is_known = file != NULL;
    if (file != NULL)
        return file;
    if (store == NULL || !store->may_read) {
        text_printf(context->why, "%s has not come with the configuration", path);
        return NULL;
    }
    file = arena_take(&store->arena, sizeof *file);
    if (file == NULL)
        text_add(context->why, "out of memory");
    return file != NULL && read_into(store, path, file, context->why) ? file : NULL;
}

/* Doors and tickets' keys are the director's, those of services the workers'; what hosts are shown is both's, for checks. */
static unsigned party_of(const struct value_context *context)
{
    enum section_kind section = context->row->section;
    if (section == SECTION_SERVICE)
        return KEY_OF_WORKERS;
    return section == SECTION_GROUP ? KEY_OF_WORKERS | KEY_OF_DIRECTOR : KEY_OF_DIRECTOR;
}

/* One process's secret is not another one's file. */
static bool suits(const struct conf_file *file, enum need need, struct text *why)
{
    bool is_key = need == A_KEY || (need == MAYBE_KEY && holds_key(&file->file));
    const char *path = file->file.path;
    if (need < MAYBE_KEY && file->key_for != 0)
        text_printf(why, "%s holds a private key, which has no place here", path);
    else if (is_key && file->key_for == 0)
        text_printf(why, "%s holds a private key, but another key names it as well", path);
    else if ((file->key_for != 0 || need == A_SECRET) && file->is_open)
        text_printf(why, "%s may be read by others: chmod o-r", path);
    else
        return true;
    return false;
}

static struct conf_file *take(struct value_context *context, const char *path,
                              size_t most_bytes, enum need need)
{
    const char *whole;
    bool is_known;
    if (!value_take_path(context, path, PATH_MAX - 1, &whole))
        return NULL;
    struct conf_file *file = obtain(context, whole, &is_known);
    if (file == NULL)
        return NULL;
    if (!is_known) { /* also when it is refused: the store wipes what is a key */
        if (need == A_KEY || (need == MAYBE_KEY && holds_key(&file->file)))
            file->key_for = party_of(context);
        file->is_watched = file->key_for != 0;
        file->next = context->store->files;
        context->store->files = file;
    } else if (file->key_for != 0 && need >= MAYBE_KEY) {
        file->key_for |= party_of(context);
    }
    if (file->file.length > most_bytes) {
        text_printf(context->why, "%s is larger than %zu KiB", whole, most_bytes >> 10);
        return NULL;
    }
    return suits(file, need, context->why) ? file : NULL;
}

bool attached_take(struct value_context *context, const char *path, size_t most_bytes,
                   struct model_file *out)
{
    const struct conf_file *file = take(context, path, most_bytes, FOR_ALL);
    if (file != NULL)
        *out = file->file;
    return file != NULL;
}

bool attached_take_watched(struct value_context *context, const char *path, size_t most_bytes,
                           struct model_file *out)
{
    struct conf_file *file = take(context, path, most_bytes, FOR_ALL);
    if (file != NULL) {
        file->is_watched = true;
        *out = file->file;
    }
    return file != NULL;
}

bool attached_take_secret(struct value_context *context, const char *path, size_t most_bytes,
                          struct model_file *out)
{
    const struct conf_file *file = take(context, path, most_bytes, A_SECRET);
    if (file != NULL)
        *out = file->file;
    return file != NULL;
}

bool attached_take_key(struct value_context *context, const char *path, size_t most_bytes,
                       struct model_file *out)
{
    const struct conf_file *file = take(context, path, most_bytes, A_KEY);
    if (file != NULL)
        *out = file->file;
    return file != NULL;
}

bool attached_take_pair(struct value_context *context, const char *path, size_t most_bytes,
                        struct model_file *out, bool *has_key)
{
    struct conf_file *file = take(context, path, most_bytes, MAYBE_KEY);
    if (file != NULL) {
        file->is_watched = true;
        *out = file->file;
    }
    *has_key = file != NULL && file->key_for != 0;
    return file != NULL;
}

static bool parse_certificates(struct value_context *context, const char *value, void *field)
{
    struct model_file file = {.path = ""};
    const char *path, *why = NULL;
    if (!quotes_unwrap(context->arena, value, &path, &why)) {
        text_add(context->why, why);
        return false;
    }
    if (path[0] != '\0' &&
        !attached_take_watched(context, path, CERTIFICATES_MOST_BYTES, &file))
        return false;
    memcpy(field, &file, sizeof file);
    return true;
}

static void print_path(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    const struct model_file *file = field;
    quotes_add_text(out, file->path);
}

static bool parse_secret(struct value_context *context, const char *value, void *field)
{
    struct model_file file = {.path = ""};
    const char *path, *why = NULL;
    if (!quotes_unwrap(context->arena, value, &path, &why)) {
        text_add(context->why, why);
        return false;
    }
    if (path[0] != '\0' && !attached_take_key(context, path, SECRET_MOST_BYTES, &file))
        return false;
    /* Where it is withheld it has no bytes at all. */
    if (path[0] != '\0' && file.length > 0 && file.length < SECRET_LEAST_BYTES) {
        text_printf(context->why, "%s holds fewer than %zu bytes", file.path,
                    SECRET_LEAST_BYTES);
        return false;
    }
    memcpy(field, &file, sizeof file);
    return true;
}

const struct value_kind value_secret = {
    .noun = "path", .form = "a path", .parse = parse_secret, .print = print_path};
const struct value_kind value_certificates = {
    .noun = "path", .form = "a path", .parse = parse_certificates, .print = print_path};
