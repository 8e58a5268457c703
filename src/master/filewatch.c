/* SPDX-License-Identifier: MIT */
/* Takes certificates, keys and lists over when their files have changed on disk. */
#include "master/filewatch.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/files.h"
#include "conf/store.h"
#include "master/context.h"
#include "master/turns.h"

#define LOOK_EVERY_NS (2 * CLOCK_NS_PER_S)

static bool is_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->changed_ns == b->changed_ns && a->inode == b->inode && a->length == b->length;
}

/* Whether it is time to try what is there now: it is another file than was read, or than failed, and it is whole. */
static bool is_due(struct conf_file *file)
{
    struct file_stamp now;
    if (!file_examine_stamp(file->file.path,
                            &now)) /* between an unlink and a rename, perhaps */
        return false;
    bool is_settled = is_same(&now, &file->seen);
    file->seen = now;
    return is_settled && !is_same(&now, &file->stamp) && !is_same(&now, &file->tried);
}

/* A certificate and its key belong together, though they come one after the other. */
static void mark_changed(const struct conf_store *store)
{
    for (struct conf_file *file = store->files; file != NULL; file = file->next) {
        if (!file->is_watched || is_same(&file->seen, &file->stamp) || file->seen.inode == 0)
            continue;
        file->is_changed = true;
        file->tried = file->seen;
        log_info("%s has changed: it is read anew", file->file.path);
    }
}

void filewatch_look(struct master *master, uint64_t now_ns)
{
    const struct edition *current = master->rollout.current;
    bool is_time = false;
    if (current == NULL || master->rollout.stage != ROLLOUT_IDLE ||
        now_ns - master->watched_ns < LOOK_EVERY_NS)
        return;
    master->watched_ns = now_ns;
    for (struct conf_file *file = current->model->store->files; file != NULL; file = file->next)
        if (file->is_watched)
            is_time |= is_due(file);
    if (!is_time)
        return;
    mark_changed(current->model->store);
    turns_request(master, ASKER_NAMES, 0, 0);
}

void filewatch_note_tried(struct master *master)
{
    const struct edition *current = master->rollout.current;
    struct conf_file *file = current != NULL ? current->model->store->files : NULL;
    for (; file != NULL; file = file->next)
        if (file->is_watched)
            (void)file_examine_stamp(file->file.path, &file->tried);
}

bool filewatch_forget(struct master *master)
{
    const struct edition *current = master->rollout.current;
    bool has_any = false;
    struct conf_file *file = current != NULL ? current->model->store->files : NULL;
    for (; file != NULL; file = file->next) {
        has_any |= file->is_changed;
        file->is_changed = false;
    }
    return has_any;
}
