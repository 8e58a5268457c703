/* SPDX-License-Identifier: MIT */
/* What master has of lists and staples: told by the director, kept in files, put into every configuration. */
#include "master/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "conf/files.h"
#include "conf/store.h"
#include "master/context.h"
#include "master/turns.h"

#define TOGETHER_NS (3 * CLOCK_NS_PER_S)

void cache_fini(struct cache *cache)
{
    fetched_fini(&cache->fetched);
    free(cache->complained);
    *cache = (struct cache){0};
}

/* ---- files ---- */

/* Daemons with other configurations may share the folder: each has files of its own. */
static bool make_path(char path[PATH_MAX], const struct model *model, const char *name)
{
    static const struct hash_key key; /* the same after a restart */
    struct text whole = {0};
    text_printf(&whole, "%s\n%s", model->path, name);
    int length = snprintf(path, PATH_MAX, "%s/%016" PRIx64 ".fetched", model->global.cache,
                          hash_bytes(&key, whole.at, whole.length));
    bool is_made = !whole.failed && length > 0 && length < PATH_MAX;
    text_fini(&whole);
    return is_made && model->global.cache[0] != '\0';
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* Over what was there, whole or not at all. False with errno. */
static bool write_file(const char *path, const struct text *bytes)
{
    char beside[PATH_MAX + sizeof ".new"];
    snprintf(beside, sizeof beside, "%s.new", path);
    (void)unlink(beside); /* of one that died over it */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool is_written = write_all(fd, bytes->at, bytes->length);
    int error = errno;
    (void)close(fd);
    if (is_written && rename(beside, path) == 0)
        return true;
    error = is_written ? errno : error;
    (void)unlink(beside);
    errno = error;
    return false;
}

/* Once for each folder: what comes next would fail in the same way. */
static void complain(struct cache *cache, const char *folder, const char *why)
{
    if (cache->complained != NULL && strcmp(cache->complained, folder) == 0)
        return;
    log_warning("cache %s: %s: lists and staples are not kept, a restart fetches them anew",
                folder, why);
    free(cache->complained);
    cache->complained = strdup(folder);
}

static void keep(struct master *master, const struct model *model,
                 const struct fetched_item *item)
{
    char path[PATH_MAX];
    struct text bytes = {0};
    const char *folder = model->global.cache;
    if (!make_path(path, model, item->name))
        return;
    fetched_print(&bytes, item->name, item->bytes, item->length);
    if (mkdir(folder, 0755) == 0)
        (void)chmod(folder, 0755); /* whatever the umask */
    if (bytes.failed)
        complain(&master->cache, folder, "out of memory");
    else if (!write_file(path, &bytes))
        complain(&master->cache, folder, strerror(errno));
    text_fini(&bytes);
}

/* ---- putting it into a model ---- */

struct filling {
    struct cache *cache;
    const struct model *model;
};

static void load(void *context, const char *name)
{
    const struct filling *filling = context;
    struct fetched *fetched = &filling->cache->fetched;
    char path[PATH_MAX];
    struct file_bytes read;
    struct text why = {0};
    struct fetched_item item = {0};
    if (fetched_find(fetched, name) != NULL || !make_path(path, filling->model, name) ||
        access(path, F_OK) != 0)
        return;
    if (file_read(path, O_NOFOLLOW, &read, &why) != 0)
        log_warning("%s %s", path, why.at != NULL ? why.at : "cannot be read");
    else if (fetched_parse(read.bytes, read.length, &item) != 0 || strcmp(item.name, name) != 0)
        log_warning("%s is damaged: what was kept of %s is not used", path, name);
    else if (fetched_set(fetched, name, item.bytes, item.length) < 0)
        log_error("out of memory: what was kept of %s is not used", name);
    fetched_item_fini(&item);
    file_bytes_fini(&read);
    text_fini(&why);
}

/* False: none are known. */
static bool find_points(const struct cache *cache, struct model_file *points)
{
    const struct fetched_item *item = fetched_find(&cache->fetched, FETCHED_POINTS);
    *points = (struct model_file){.path = FETCHED_POINTS};
    if (item == NULL)
        return false;
    points->bytes = (const unsigned char *)item->bytes;
    points->length = item->length;
    return true;
}

void cache_fill(struct master *master, struct model *model)
{
    struct filling filling = {.cache = &master->cache, .model = model};
    struct model_file points;
    fetched_list(model, load, &filling);
    if (fetched_wants_points(model) && find_points(&master->cache, &points))
        fetched_list_points(&points, load, &filling);
    if (fetched_attach(model, &master->cache.fetched) != 0)
        log_error("out of memory: lists and staples that are there are not used");
}

/* ---- from the director ---- */

static bool is_wanted_by(const struct edition *edition, const char *name,
                         const struct model_file *points)
{
    return edition != NULL && fetched_is_wanted(edition->model, name, points);
}

static bool is_wanted(const struct master *master, const char *name)
{
    const struct rollout *rollout = &master->rollout;
    struct model_file points;
    bool has_points = find_points(&master->cache, &points);
    return is_wanted_by(rollout->current, name, has_points ? &points : NULL) ||
           is_wanted_by(rollout->next, name, has_points ? &points : NULL);
}

void cache_take(struct master *master, const struct received *message)
{
    struct fetched_item item;
    /* The first one is being committed, perhaps, everywhere but here. */
    const struct edition *edition =
        master->rollout.current != NULL ? master->rollout.current : master->rollout.next;
    if (message->n_fds != 1 || fetched_decode(message->fds[0], &item) != 0) {
        log_error("the director sent a list or staple that is none");
        return;
    }
    int result = is_wanted(master, item.name)
                     ? fetched_set(&master->cache.fetched, item.name, item.bytes, item.length)
                     : 0;
    if (result < 0)
        log_error("out of memory: %s is not used", item.name);
    if (result > 0)
        keep(master, edition->model, &item);
    /* By itself what was named changes nothing: the list that it is of comes next. */
    if (result > 0 && strcmp(item.name, FETCHED_POINTS) != 0)
        master->cache.is_dirty = true;
    fetched_item_fini(&item);
    cache_look(master, clock_now_ns());
}

void cache_look(struct master *master, uint64_t now_ns)
{
    struct cache *cache = &master->cache;
    if (!cache->is_dirty || master->rollout.current == NULL ||
        (cache->asked_ns != 0 && now_ns - cache->asked_ns < TOGETHER_NS))
        return;
    cache->is_dirty = false;
    cache->asked_ns = now_ns;
    turns_request(master, ASKER_NAMES, 0, 0);
}

void cache_forget_unwanted(struct master *master)
{
    struct fetched *fetched = &master->cache.fetched;
    char path[PATH_MAX];
    for (size_t i = fetched->n; i-- > 0;) {
        const char *name = fetched->items[i].name;
        if (is_wanted(master, name))
            continue;
        if (make_path(path, master->rollout.current->model, name))
            (void)unlink(path);
        fetched_drop(fetched, i);
    }
}
