/* SPDX-License-Identifier: MIT */
/* From text to a checked model, with every problem named. */
#include "conf/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/assemble.h"
#include "conf/check.h"
#include "conf/directives.h"
#include "conf/files.h"
#include "conf/names.h"
#include "conf/quotes.h"
#include "conf/reader.h"
#include "conf/store.h"
#include "conf/surroundings.h"
#include "conf/users.h"

/* ---- what the reader hands on ---- */

struct collector {
    struct conf_store *store;
    struct problems *problems;
    struct names sections;        /* kind and name to the first section of that name */
    struct names files;           /* device and inode of what was read */
    struct conf_section *current; /* NULL: an unknown one, its keys are passed over */
    struct file_bytes main;       /* bytes given back; who owns it is compared with */
    bool is_included;
    const struct file_bytes *reading; /* NULL: no file */
};

static void collect_no_memory(struct collector *collector)
{
    problems_add(collector->problems, NULL, NULL, NULL, "out of memory");
}

static bool may_suggest(const struct collector *collector)
{
    return collector->problems->n_errors < PROBLEMS_SUGGEST_MOST;
}

/* "service web": kind and name; false when it is no heading of ours. */
static bool parse_title(struct collector *collector, const char *title,
                        const struct origin *origin, enum section_kind *kind, const char **name)
{
    size_t length = strcspn(title, " \t");
    const char *words[SECTION_KINDS];
    int found = -1;
    *name = title + length + strspn(title + length, " \t");
    for (int i = 0; i < SECTION_KINDS; i++) {
        words[i] = store_kind_word((enum section_kind)i);
        if (strlen(words[i]) == length && strncmp(words[i], title, length) == 0)
            found = i;
    }
    struct problems *problems = collector->problems;
    if (found < 0) {
        char *word = strndup(title, length);
        const char *nearest = word != NULL && may_suggest(collector)
                                  ? text_nearest(word, words, SECTION_KINDS)
                                  : NULL;
        free(word);
        problems_add(problems, origin, title, NULL, "unknown section%s%s%s",
                     nearest != NULL ? ": did you mean [" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "]?" : "");
        return false;
    }
    *kind = (enum section_kind)found;
    bool wants_name = *kind == SECTION_SERVICE || *kind == SECTION_GROUP;
    if (!wants_name && **name != '\0')
        problems_add(problems, origin, title, NULL, "[%s] takes no name", words[found]);
    else if (wants_name && **name == '\0')
        problems_add(problems, origin, title, NULL, "needs a name, as [%s main]", words[found]);
    else if (wants_name && (!value_is_name(*name) || strpbrk(*name, " \t\"") != NULL))
        problems_add(problems, origin, title, NULL,
                     "the name is one word without blanks and quotes");
    else if (*kind == SECTION_GLOBAL && collector->is_included)
        problems_add(problems, origin, title, NULL, "not allowed in an included file");
    else
        return true;
    return false;
}

static void on_section(void *argument, const char *title, const struct origin *origin)
{
    struct collector *collector = argument;
    enum section_kind kind;
    const char *name;
    collector->current = NULL;
    if (!parse_title(collector, title, origin, &kind, &name))
        return;
    struct conf_section *section = store_add_section(collector->store, kind, name, origin);
    size_t existing;
    if (section == NULL ||
        names_put(&collector->sections, kind, section->name, strlen(section->name),
                  (size_t)(uintptr_t)section, &existing) != 0) {
        collect_no_memory(collector);
        return;
    }
    const struct conf_section *first = (const struct conf_section *)(uintptr_t)existing;
    if (first != section) {
        section->is_duplicate = true;
        problems_add(collector->problems, origin, section->title, NULL,
                     "a second section of this name, the first is at %s:%u", first->origin.file,
                     (unsigned)first->origin.line);
    }
    collector->current = section;
}

static void refuse_key(struct collector *collector, const struct conf_section *section,
                       const char *key, const struct origin *origin)
{
    for (int i = 0; i < SECTION_KINDS; i++) {
        if (directives_find((enum section_kind)i, key) != NULL) {
            problems_add(collector->problems, origin, section->title, key,
                         "unknown key here: it belongs in [%s]",
                         store_kind_word((enum section_kind)i));
            return;
        }
    }
    const char *nearest =
        may_suggest(collector) ? directives_nearest(section->kind, key) : NULL;
    problems_add(collector->problems, origin, section->title, key, "unknown key%s%s%s",
                 nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
                 nearest != NULL ? "?" : "");
}

static void on_pair(void *argument, const char *key, const char *value,
                    const struct origin *origin)
{
    struct collector *collector = argument;
    struct conf_section *section = collector->current;
    if (section == NULL)
        return;
    const struct directive *row = directives_find(section->kind, key);
    if (row == NULL)
        refuse_key(collector, section, key, origin);
    else if (store_add_line(collector->store, section, row, value, origin) == NULL)
        collect_no_memory(collector);
    else if (row->kind == &value_user && collector->reading != NULL &&
             file_is_open(collector->reading))
        problems_add(collector->problems, origin, section->title, key,
                     "a file that holds password hashes may not be read by others (mode %04o): "
                     "chmod o-r",
                     (unsigned)collector->reading->mode);
}

static void collect(struct collector *collector, const char *file, const char *bytes,
                    size_t length)
{
    const struct reader_sink sink = {collector, on_section, on_pair};
    collector->current = NULL;
    reader_run(file, bytes, length, &sink, collector->problems);
}

/* ---- files ---- */

static void collect_bytes(struct collector *collector, const char *name,
                          const struct file_bytes *file)
{
    collector->reading = file;
    collect(collector, name, file->bytes, file->length);
    collector->reading = NULL;
}

/* False when this very file was read before: a loop, or named twice. */
static bool is_first_reading(struct collector *collector, const struct file_bytes *file)
{
    struct {
        uint64_t device, inode;
    } *key = arena_take(&collector->store->arena, sizeof *key);
    size_t existing;
    if (key == NULL) {
        collect_no_memory(collector);
        return false;
    }
    key->device = file->device;
    key->inode = file->inode;
    size_t number = collector->files.used;
    if (names_put(&collector->files, 0, key, sizeof *key, number, &existing) != 0) {
        collect_no_memory(collector);
        return false;
    }
    return existing == number;
}

static void collect_included(struct collector *collector, const struct conf_line *line,
                             const char *path)
{
    struct text why = {0};
    struct file_bytes file;
    if (file_read(path, O_NOFOLLOW, &file, &why) != 0) {
        problems_add(collector->problems, &line->origin, "global", line->row->key, "%s %s",
                     path, why.at);
    } else if (file.owner != collector->main.owner) {
        problems_add(collector->problems, &line->origin, "global", line->row->key,
                     "%s belongs to another user than this file", path);
    } else if (!is_first_reading(collector, &file)) {
        problems_add(collector->problems, &line->origin, "global", line->row->key,
                     "%s has been read already: it includes itself or is named twice", path);
    } else {
        const char *name = arena_copy(&collector->store->arena, path, strlen(path));
        if (name == NULL)
            collect_no_memory(collector);
        else
            collect_bytes(collector, name, &file);
    }
    file_bytes_fini(&file);
    text_fini(&why);
}

static void collect_include(struct collector *collector, const struct conf_line *line)
{
    struct text why = {0};
    struct file_list files = {0};
    const char *pattern = "", *fault = NULL;
    if (!quotes_unwrap(&collector->store->arena, line->value, &pattern, &fault))
        text_add(&why, fault);
    else if (pattern[0] == '\0')
        return; /* said where values are parsed */
    else if (!collector->store->has_file)
        text_add(&why, "needs a configuration file to lie below");
    else
        file_find_includes(collector->store->folder, pattern, &files, &why);
    if (why.length > 0)
        problems_add(collector->problems, &line->origin, "global", line->row->key, "%s",
                     why.at);
    for (size_t i = 0; i < files.n; i++)
        collect_included(collector, line, files.paths[i]);
    file_list_fini(&files);
    text_fini(&why);
}

static void collect_includes(struct collector *collector)
{
    collector->is_included = true;
    const struct conf_section *end = collector->store->last;
    for (const struct conf_section *section = collector->store->first; section != NULL;
         section = section->next) {
        for (const struct conf_line *line = section->first; line != NULL; line = line->next)
            if (line->row->kind == &value_pattern)
                collect_include(collector, line);
        if (section == end)
            break;
    }
}

static void collect_file(struct collector *collector)
{
    const struct origin whole = {.file = collector->store->path};
    struct text why = {0};
    if (file_read(collector->store->path, 0, &collector->main, &why) != 0) {
        problems_add(collector->problems, &whole, NULL, NULL, "%s", why.at);
    } else if (is_first_reading(collector, &collector->main)) {
        collect_bytes(collector, collector->store->path, &collector->main);
        collect_includes(collector);
    }
    file_bytes_fini(&collector->main);
    text_fini(&why);
}

/* ---- the command line ---- */

static struct conf_section *override_section(struct collector *collector, const char *title)
{
    static const struct origin origin = {.file = ORIGIN_COMMAND_LINE};
    enum section_kind kind;
    const char *name;
    collector->is_included = false;
    if (!parse_title(collector, title, &origin, &kind, &name))
        return NULL;
    struct conf_section *section = store_find_section(collector->store, kind, name);
    if (section == NULL)
        section = store_add_section(collector->store, kind, name, &origin);
    if (section == NULL)
        collect_no_memory(collector);
    return section;
}

static void collect_override(struct collector *collector, const struct conf_override *override)
{
    static const struct origin origin = {.file = ORIGIN_COMMAND_LINE};
    struct conf_section *section = override_section(collector, override->section);
    if (section == NULL)
        return;
    const struct directive *row = directives_find(section->kind, override->key);
    if (row == NULL) {
        refuse_key(collector, section, override->key, &origin);
        return;
    }
    for (struct conf_line *line = section->first; line != NULL; line = line->next)
        if (line->row == row && !line->is_override)
            line->is_overridden = true;
    /* A shell has taken quotes off already: one text counts letter by letter. */
    struct text value = {0};
    if (row->kind->is_words)
        text_add(&value, override->value);
    else
        quotes_add_text(&value, override->value);
    struct conf_line *added = value.failed
                                  ? NULL
                                  : store_add_line(collector->store, section, row,
                                                   value.at != NULL ? value.at : "", &origin);
    if (added != NULL)
        added->is_override = true;
    else
        collect_no_memory(collector);
    text_fini(&value);
}

/* ---- all of it ---- */

/* Path and folder; false with a problem when they cannot be had. */
static bool place_store(struct conf_store *store, const char *path, struct problems *problems)
{
    char *folder = path != NULL ? file_folder(path) : realpath(".", NULL);
    const struct origin whole = {.file = path != NULL ? path : ORIGIN_COMMAND_LINE};
    if (folder == NULL) {
        problems_add(problems, &whole, NULL, NULL, "its folder cannot be found: %s",
                     strerror(errno));
        return false;
    }
    store->has_file = path != NULL;
    store->path = arena_copy(&store->arena, whole.file, strlen(whole.file));
    store->folder = arena_copy(&store->arena, folder, strlen(folder));
    free(folder);
    if (store->path == NULL || store->folder == NULL)
        problems_add(problems, &whole, NULL, NULL, "out of memory");
    return store->path != NULL && store->folder != NULL;
}

struct model *conf_load(const struct conf_request *request, struct problems *problems)
{
    size_t errors_before = problems->n_errors;
    struct conf_store *store = store_new();
    if (store == NULL || !place_store(store, request->path, problems)) {
        if (store == NULL)
            problems_add(problems, NULL, NULL, NULL, "out of memory");
        store_free(store);
        return NULL;
    }
    store->may_read = true;
    struct collector collector = {.store = store, .problems = problems};
    if (request->addresses != NULL &&
        addresses_copy(&store->addresses, request->addresses) != 0)
        collect_no_memory(&collector);
    if (request->path != NULL)
        collect_file(&collector);
    else
        collect(&collector, store->path, request->text, strlen(request->text));
    bool is_read = store->first != NULL || problems->n_errors == errors_before;
    for (size_t i = 0; i < request->n_overrides; i++)
        collect_override(&collector, &request->overrides[i]);
    names_fini(&collector.sections);
    names_fini(&collector.files);

    /* A file that could not be read at all has said why; "no [service]" would only distract. */
    struct model *model = is_read ? model_assemble(store, problems) : NULL;
    if (model == NULL) {
        store_free(store);
        return NULL;
    }
    model_check(model, problems);
    surroundings_check(model, problems);
    if (problems->n_errors > errors_before) {
        conf_free(model);
        return NULL;
    }
    return model;
}

void conf_free(struct model *model)
{
    if (model != NULL)
        store_free(model->store);
}
