/* SPDX-License-Identifier: MIT */
/* What was read: an arena that holds one configuration, its sections and their effective lines. */
#include "conf/store.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 32768
#define ALIGNMENT alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *older;
    alignas(max_align_t) unsigned char bytes[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->chunks == NULL || arena->capacity - arena->used < rounded) {
        size_t capacity = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
        struct arena_chunk *chunk = calloc(1, sizeof *chunk + capacity);
        if (chunk == NULL)
            return NULL;
        chunk->older = arena->chunks;
        arena->chunks = chunk;
        arena->capacity = capacity;
        arena->used = 0;
    }
    void *taken = arena->chunks->bytes + arena->used;
    arena->used += rounded;
    return taken;
}

void *arena_take_array(struct arena *arena, size_t n, size_t bytes)
{
    size_t product;
    if (__builtin_mul_overflow(n, bytes, &product)) {
        errno = ENOMEM;
        return NULL;
    }
    return arena_take(arena, product);
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_take(arena, length + 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

void arena_release(struct arena *arena, const void *taken, size_t bytes)
{
    struct arena_chunk **at = &arena->chunks;
    if (bytes <= CHUNK_BYTES) /* others lie beside it */
        return;
    while (*at != NULL && (*at)->bytes != taken)
        at = &(*at)->older;
    if (*at == NULL)
        return;
    struct arena_chunk *chunk = *at;
    if (at == &arena->chunks)
        arena->used = arena->capacity = 0; /* of an older one: nobody knows */
    *at = chunk->older;
    free(chunk);
}

void arena_fini(struct arena *arena)
{
    for (struct arena_chunk *chunk = arena->chunks, *older; chunk != NULL; chunk = older) {
        older = chunk->older;
        free(chunk);
    }
    *arena = (struct arena){0};
}

const char *origin_print(char out[ORIGIN_TEXT_BYTES], const struct origin *origin)
{
    if (origin->line == 0 || strcmp(origin->file, ORIGIN_COMMAND_LINE) == 0)
        snprintf(out, ORIGIN_TEXT_BYTES, "%s", origin->file);
    else
        snprintf(out, ORIGIN_TEXT_BYTES, "%s:%u", origin->file, (unsigned)origin->line);
    return out;
}

struct conf_file *store_find_file(const struct conf_store *store, const char *path)
{
    for (struct conf_file *file = store->files; file != NULL; file = file->next)
        if (strcmp(file->file.path, path) == 0)
            return file;
    return NULL;
}

void store_wipe_keys(struct conf_store *store)
{
    for (struct conf_file *file = store->files; file != NULL; file = file->next)
        if (file->key_for != 0 && file->file.length > 0)
            explicit_bzero(file->bytes, file->file.length);
}

struct conf_store *store_new(void)
{
    return calloc(1, sizeof(struct conf_store));
}

void store_free(struct conf_store *store)
{
    if (store == NULL)
        return;
    addresses_fini(&store->addresses);
    store_wipe_keys(store);
    arena_fini(&store->arena);
    free(store);
}

const char *store_kind_word(enum section_kind kind)
{
    static const char *const words[SECTION_KINDS] = {"global", "admin", "service", "group"};
    return words[kind];
}

struct conf_section *store_add_section(struct conf_store *store, enum section_kind kind,
                                       const char *name, const struct origin *origin)
{
    const char *word = store_kind_word(kind);
    size_t word_length = strlen(word), name_length = strlen(name);
    struct conf_section *section = arena_take(&store->arena, sizeof *section);
    char *title = arena_take(&store->arena, word_length + name_length + 2);
    if (section == NULL || title == NULL)
        return NULL;
    memcpy(title, word, word_length);
    if (name_length > 0) {
        title[word_length] = ' ';
        memcpy(title + word_length + 1, name, name_length);
    }
    section->kind = kind;
    section->title = title;
    section->name = name_length > 0 ? title + word_length + 1 : "";
    section->origin = *origin;
    if (store->last != NULL)
        store->last->next = section;
    else
        store->first = section;
    store->last = section;
    store->n_sections++;
    return section;
}

struct conf_line *store_add_line(struct conf_store *store, struct conf_section *section,
                                 const struct directive *row, const char *value,
                                 const struct origin *origin)
{
    struct conf_line *line = arena_take(&store->arena, sizeof *line);
    char *copy = arena_copy(&store->arena, value, strlen(value));
    if (line == NULL || copy == NULL)
        return NULL;
    line->row = row;
    line->value = copy;
    line->origin = *origin;
    if (section->last != NULL)
        section->last->next = line;
    else
        section->first = line;
    section->last = line;
    store->n_lines++;
    return line;
}

const struct conf_line *store_find_line(const struct conf_section *section,
                                        const struct directive *row)
{
    if (section == NULL)
        return NULL;
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (line->row == row && !line->is_overridden)
            return line;
    return NULL;
}

struct conf_section *store_find_section(const struct conf_store *store, enum section_kind kind,
                                        const char *name)
{
    for (struct conf_section *section = store->first; section != NULL; section = section->next)
        if (section->kind == kind && !section->is_duplicate && strcmp(section->name, name) == 0)
            return section;
    return NULL;
}

struct origin store_global_origin(const struct conf_store *store, const struct directive *row)
{
    const struct conf_section *global = store_find_section(store, SECTION_GLOBAL, "");
    const struct conf_line *line = store_find_line(global, row);
    return line != NULL ? line->origin : (struct origin){.file = store->path};
}

void store_drop_lines(struct conf_section *section, const struct directive *row,
                      const char *value)
{
    struct conf_line **at = &section->first;
    section->last = NULL;
    while (*at != NULL) {
        struct conf_line *line = *at;
        if (line->row == row && (value == NULL || strcmp(line->value, value) == 0)) {
            *at = line->next;
            continue;
        }
        section->last = line;
        at = &line->next;
    }
}

void store_drop_section(struct conf_store *store, const struct conf_section *section)
{
    struct conf_section **at = &store->first;
    store->last = NULL;
    while (*at != NULL) {
        if (*at == section) {
            *at = section->next;
            store->n_sections--;
            continue;
        }
        store->last = *at;
        at = &(*at)->next;
    }
}

const struct origin *store_place(const struct conf_section *section,
                                 const struct directive *row, size_t n)
{
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (line->row == row && !line->is_overridden && n-- == 0)
            return &line->origin;
    return &section->origin;
}
