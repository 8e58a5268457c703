/* SPDX-License-Identifier: MIT */
/* What was fetched for a configuration, by name: it travels in the bundle as the files do that values name. */
#include "conf/fetched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/crls.h"
#include "conf/sealed.h"
#include "conf/store.h"

/* Encoded, it is a line with a mark, a line with the name, and the bytes. */
static const char mark[] = "gaidaros fetched 1\n";
enum { NAME_MOST_BYTES = 4096 };

/* ---- the table ---- */

void fetched_item_fini(struct fetched_item *item)
{
    free(item->name);
    free(item->bytes);
    *item = (struct fetched_item){0};
}

void fetched_fini(struct fetched *fetched)
{
    for (size_t i = 0; i < fetched->n; i++)
        fetched_item_fini(&fetched->items[i]);
    free(fetched->items);
    *fetched = (struct fetched){0};
}

void fetched_drop(struct fetched *fetched, size_t index)
{
    fetched_item_fini(&fetched->items[index]);
    fetched->n--;
    memmove(&fetched->items[index], &fetched->items[index + 1],
            (fetched->n - index) * sizeof *fetched->items);
}

/* The item's index, or n. */
static size_t find(const struct fetched *fetched, const char *name)
{
    size_t i = 0;
    while (i < fetched->n && strcmp(fetched->items[i].name, name) != 0)
        i++;
    return i;
}

const struct fetched_item *fetched_find(const struct fetched *fetched, const char *name)
{
    size_t i = find(fetched, name);
    return i < fetched->n ? &fetched->items[i] : NULL;
}

/* 0, or -1 with errno ENOMEM. */
static int make(struct fetched_item *item, const char *name, const void *bytes, size_t length)
{
    *item = (struct fetched_item){
        .name = strdup(name), .bytes = malloc(length + 1), .length = length};
    if (item->name == NULL || item->bytes == NULL) {
        fetched_item_fini(item);
        errno = ENOMEM;
        return -1;
    }
    memcpy(item->bytes, bytes, length);
    item->bytes[length] = '\0';
    return 0;
}

int fetched_set(struct fetched *fetched, const char *name, const void *bytes, size_t length)
{
    size_t i = find(fetched, name);
    struct fetched_item made;
    if (i < fetched->n && fetched->items[i].length == length &&
        memcmp(fetched->items[i].bytes, bytes, length) == 0)
        return 0;
    if (make(&made, name, bytes, length) != 0)
        return -1;
    if (i < fetched->n) {
        fetched_item_fini(&fetched->items[i]);
    } else {
        struct fetched_item *grown =
            reallocarray(fetched->items, fetched->n + 1, sizeof *grown);
        if (grown == NULL) {
            fetched_item_fini(&made);
            errno = ENOMEM;
            return -1;
        }
        fetched->items = grown;
        fetched->n++;
    }
    fetched->items[i] = made;
    return 1;
}

/* ---- what a configuration has a use for ---- */

bool fetched_is_auto(const struct model_service *service)
{
    for (size_t i = 0; i < service->n_crls; i++)
        if (service->crls[i].source == CRL_AUTO)
            return true;
    return false;
}

bool fetched_wants_points(const struct model *model)
{
    for (size_t i = 0; i < model->n_services; i++)
        if (fetched_is_auto(&model->services[i]))
            return true;
    return false;
}

static bool is_named(const struct model *model, const char *url)
{
    for (size_t i = 0; i < model->n_services; i++)
        for (size_t k = 0; k < model->services[i].n_crls; k++)
            if (model->services[i].crls[k].source == CRL_URL &&
                strcmp(model->services[i].crls[k].text, url) == 0)
                return true;
    return false;
}

static bool is_point(const struct model_file *points, const char *url)
{
    char one[MODEL_URL_MOST + 1];
    for (size_t at = 0; points != NULL && fetched_next_point(points, &at, one);)
        if (strcmp(one, url) == 0)
            return true;
    return false;
}

static bool is_stapled(const struct model *model, const char *path)
{
    for (size_t i = 0; i < model->n_services; i++)
        for (size_t k = 0;
             model->services[i].ocsp_stapling && k < model->services[i].n_certificates; k++)
            if (strcmp(model->services[i].certificates[k].chain.path, path) == 0)
                return true;
    return false;
}

/* What stands behind the kind in a name of that kind, or NULL. */
static const char *rest_of(const char *name, const char *kind)
{
    size_t length = strlen(kind);
    return strncmp(name, kind, length) == 0 ? name + length : NULL;
}

bool fetched_is_wanted(const struct model *model, const char *name,
                       const struct model_file *points)
{
    const char *url = rest_of(name, FETCHED_CRL), *path = rest_of(name, FETCHED_STAPLE);
    if (url != NULL)
        return is_named(model, url) || (fetched_wants_points(model) && is_point(points, url));
    if (path != NULL)
        return is_stapled(model, path);
    return strcmp(name, FETCHED_POINTS) == 0 && fetched_wants_points(model);
}

bool fetched_next_point(const struct model_file *points, size_t *at,
                        char url[MODEL_URL_MOST + 1])
{
    while (*at < points->length) {
        const unsigned char *line = points->bytes + *at;
        const unsigned char *end = memchr(line, '\n', points->length - *at);
        size_t length = end != NULL ? (size_t)(end - line) : points->length - *at;
        *at += length + (end != NULL);
        if (length == 0 || length > MODEL_URL_MOST || memchr(line, '\0', length) != NULL)
            continue;
        memcpy(url, line, length);
        url[length] = '\0';
        return true;
    }
    return false;
}

static void tell_of(const char *kind, const char *rest, fetched_tell *tell, void *context)
{
    struct text name = {0};
    text_printf(&name, "%s%s", kind, rest);
    if (!name.failed)
        tell(context, name.at);
    text_fini(&name);
}

void fetched_list(const struct model *model, fetched_tell *tell, void *context)
{
    if (fetched_wants_points(model))
        tell(context, FETCHED_POINTS);
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        for (size_t k = 0; k < service->n_crls; k++)
            if (service->crls[k].source == CRL_URL)
                tell_of(FETCHED_CRL, service->crls[k].text, tell, context);
        for (size_t k = 0; service->ocsp_stapling && k < service->n_certificates; k++)
            tell_of(FETCHED_STAPLE, service->certificates[k].chain.path, tell, context);
    }
}

void fetched_list_points(const struct model_file *points, fetched_tell *tell, void *context)
{
    char url[MODEL_URL_MOST + 1];
    for (size_t at = 0; fetched_next_point(points, &at, url);)
        tell_of(FETCHED_CRL, url, tell, context);
}

/* ---- in a model ---- */

static int attach(struct conf_store *store, const struct fetched_item *item)
{
    struct conf_file *file = store_find_file(store, item->name);
    if (file != NULL && file->file.length == item->length &&
        memcmp(file->bytes, item->bytes, item->length) == 0)
        return 0;
    if (file == NULL) {
        file = arena_take(&store->arena, sizeof *file);
        if (file == NULL)
            return -1;
        file->file.path = arena_copy(&store->arena, item->name, strlen(item->name));
        if (file->file.path == NULL)
            return -1;
        file->file.bytes = (const unsigned char *)"";
        file->next = store->files;
        store->files = file;
    }
    char *bytes = arena_copy(&store->arena, item->bytes, item->length);
    if (bytes == NULL)
        return -1;
    file->bytes = bytes;
    file->file.bytes = (const unsigned char *)bytes;
    file->file.length = item->length;
    return 0;
}

int fetched_attach(struct model *model, const struct fetched *fetched)
{
    const struct fetched_item *found = fetched_find(fetched, FETCHED_POINTS);
    struct model_file points = {.path = FETCHED_POINTS};
    if (found != NULL) {
        points.bytes = (const unsigned char *)found->bytes;
        points.length = found->length;
    }
    const struct fetched_item *end = fetched->items + fetched->n;
    for (const struct fetched_item *item = fetched->items; item != end; item++)
        if (fetched_is_wanted(model, item->name, found != NULL ? &points : NULL) &&
            attach(model->store, item) != 0)
            return -1;
    return 0;
}

const struct model_file *fetched_of(const struct model *model, const char *kind,
                                    const char *rest)
{
    size_t length = strlen(kind);
    for (const struct conf_file *file = model->store->files; file != NULL; file = file->next)
        if (strncmp(file->file.path, kind, length) == 0 &&
            strcmp(file->file.path + length, rest) == 0)
            return &file->file;
    return NULL;
}

static void release(struct arena *arena, struct model_file *file)
{
    arena_release(arena, file->bytes, file->length + 1);
    file->bytes = (const unsigned char *)"";
    file->length = 0;
}

static bool is_fetched(const struct conf_file *file)
{
    return rest_of(file->file.path, FETCHED_CRL) != NULL ||
           rest_of(file->file.path, FETCHED_STAPLE) != NULL;
}

/* Of a list that a line names the store has the file, its service the same bytes. */
static bool is_list_of(const struct model *model, const struct conf_file *file)
{
    bool is_list = false;
    for (size_t i = 0; i < model->n_services; i++)
        for (size_t k = 0; k < model->services[i].n_crls; k++) {
            struct model_file *list = &model->services[i].crls[k].file;
            if (file->file.length == 0 || list->bytes != file->file.bytes)
                continue;
            is_list = true;
            list->bytes = (const unsigned char *)"";
            list->length = 0;
        }
    return is_list;
}

void fetched_release(struct model *model)
{
    for (struct conf_file *file = model->store->files; file != NULL; file = file->next)
        if (is_fetched(file) || is_list_of(model, file)) {
            release(&model->store->arena, &file->file);
            file->bytes = NULL;
        }
}

/* ---- as bytes ---- */

void fetched_print(struct text *out, const char *name, const void *bytes, size_t length)
{
    text_printf(out, "%s%s\n", mark, name);
    text_append(out, bytes, length);
}

int fetched_encode(const char *name, const void *bytes, size_t length)
{
    struct text out = {0};
    int fd = -1, error = ENOMEM;
    fetched_print(&out, name, bytes, length);
    if (!out.failed) {
        fd = sealed_make("gaidaros fetched", out.at, out.length);
        error = errno;
    }
    text_fini(&out);
    errno = error;
    return fd;
}

int fetched_parse(const char *bytes, size_t length, struct fetched_item *out)
{
    char name[NAME_MOST_BYTES + 1];
    const size_t before = sizeof mark - 1;
    *out = (struct fetched_item){0};
    const char *at = bytes + before;
    const char *end = length > before && memcmp(bytes, mark, before) == 0
                          ? memchr(at, '\n', length - before)
                          : NULL;
    if (end == NULL || end == at || (size_t)(end - at) > NAME_MOST_BYTES ||
        memchr(at, '\0', (size_t)(end - at)) != NULL) {
        errno = EINVAL;
        return -1;
    }
    memcpy(name, at, (size_t)(end - at));
    name[end - at] = '\0';
    return make(out, name, end + 1, length - (size_t)(end + 1 - bytes));
}

int fetched_decode(int fd, struct fetched_item *out)
{
    size_t length;
    *out = (struct fetched_item){0};
    char *bytes =
        sealed_read(fd, sizeof mark, CRL_MOST_BYTES + sizeof mark + NAME_MOST_BYTES, &length);
    if (bytes == NULL)
        return -1;
    int result = fetched_parse(bytes, length, out);
    int error = errno;
    free(bytes);
    errno = error;
    return result;
}
