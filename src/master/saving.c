/* SPDX-License-Identifier: MIT */
/* Writes the running configuration back to its files. */
#include "master/saving.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/build.h"
#include "conf/files.h"
#include "conf/overlay.h"
#include "conf/save.h"
#include "conf/store.h"
#include "conf/write.h"
#include "master/context.h"

enum { CONFLICT = 409, BROKEN = 500 };

/* One file with what it takes to replace it and to take that back. Strings and bytes are owned. */
struct target {
    char *path; /* the real one, links followed */
    char *temporary, *old;
    struct file_bytes bytes;
    struct stat info;
    bool is_written,
        is_replaced; /* the temporary file is there; it is in the old one's place */
    bool
        is_tightened; /* users came into a file that others may read: they may not read the new one */
};

struct work {
    struct master *master;
    struct model *disk, *wanted; /* owned */
    struct target *targets;      /* owned */
    struct saved_file *files;    /* owned, as many */
    size_t n;
    struct text *said;
};

static unsigned int refuse(struct work *work, unsigned int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static unsigned int refuse(struct work *work, unsigned int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_clear(work->said);
    text_vprintf(work->said, format, arguments);
    va_end(arguments);
    return status;
}

static unsigned int refuse_memory(struct work *work)
{
    return refuse(work, BROKEN, "out of memory");
}

/* ---- what is to be written ---- */

static bool is_same(const struct model *a, const struct model *b)
{
    struct text left = {0}, right = {0};
    conf_write(&left, a);
    conf_write(&right, b);
    bool is_equal = !left.failed && !right.failed && left.length == right.length &&
                    memcmp(left.at, right.at, left.length) == 0;
    text_fini(&left);
    text_fini(&right);
    return is_equal;
}

static unsigned int read_disk(struct work *work)
{
    const struct master *master = work->master;
    const struct edition *current = master->rollout.current;
    const struct edition *written = current->written != NULL ? current->written : current;
    struct problems problems = {0};
    if (master->request.path == NULL)
        return refuse(work, CONFLICT,
                      "there is no file: the configuration came from the command line");
    work->disk = conf_load(&master->request, &problems);
    unsigned int status = 0;
    if (work->disk == NULL)
        status = refuse(work, CONFLICT, "the file on disk cannot be read any more: %s",
                        problems.errors.at != NULL ? problems.errors.at : "out of memory");
    else if (!is_same(work->disk, written->model))
        status = refuse(work, CONFLICT,
                        "%s has been changed since it was read: reload it first, or undo that",
                        master->request.path);
    problems_fini(&problems);
    return status;
}

static enum host_setting setting_of(uint32_t admin)
{
    if (admin == ADMIN_DRAIN)
        return HOST_SET_DRAIN;
    return admin == ADMIN_DOWN ? HOST_SET_DOWN : HOST_SET_UP;
}

/* The current configuration with its rows laid over it. */
static unsigned int lay_over(struct work *work)
{
    const struct segment *segment = &work->master->segment;
    const struct edition *current = work->master->rollout.current;
    const struct model *model = current->model;
    struct overlay_host *hosts = calloc(model->n_hosts + 1, sizeof *hosts);
    uint32_t *in_force = calloc(model->n_services + 1, sizeof *in_force);
    struct problems problems = {0};
    if (hosts != NULL && in_force != NULL) {
        for (size_t i = 0; i < model->n_hosts; i++) {
            const struct host_row *row = &segment->hosts[current->rows.hosts[i]];
            hosts[i].state = setting_of(atomic_load(&row->admin));
            hosts[i].weight = atomic_load(&row->weight);
        }
        for (size_t i = 0; i < model->n_services; i++)
            in_force[i] = atomic_load(&segment->services[current->rows.services[i]].enabled);
        work->wanted = conf_overlay(model, hosts, in_force, &problems);
    }
    free(hosts);
    free(in_force);
    unsigned int status = 0;
    if (work->wanted == NULL)
        status = refuse(work, CONFLICT, "what runs cannot be written as a file: %s",
                        problems.errors.at != NULL ? problems.errors.at : "out of memory");
    problems_fini(&problems);
    for (size_t i = 0; status == 0 && i < work->wanted->n_groups; i++)
        if (work->wanted->groups[i].n_hosts == 0)
            status =
                refuse(work, CONFLICT,
                       "group %s has no host, which no file may have: add one or delete it",
                       work->wanted->groups[i].name);
    return status;
}

/* ---- files ---- */

static bool is_known(const struct work *work, const char *path)
{
    for (size_t i = 0; i < work->n; i++) {
        assert(work->files[i].path != NULL);
        if (strcmp(work->files[i].path, path) == 0)
            return true;
    }
    return false;
}

static void add_file(struct work *work, const char *path)
{
    if (path == NULL || strcmp(path, ORIGIN_COMMAND_LINE) == 0 || is_known(work, path))
        return;
    work->files[work->n++].path = path;
}

/* Every file that a line came from, the main one first. */
static unsigned int find_files(struct work *work)
{
    const struct conf_store *store = work->disk->store;
    size_t most = store->n_sections + store->n_lines + 1;
    work->files = calloc(most, sizeof *work->files);
    if (work->files == NULL)
        return refuse_memory(work);
    add_file(work, store->path);
    for (const struct conf_section *section = store->first; section != NULL;
         section = section->next) {
        add_file(work, section->origin.file);
        for (const struct conf_line *line = section->first; line != NULL; line = line->next)
            add_file(work, line->origin.file);
    }
    work->targets = calloc(work->n, sizeof *work->targets);
    return work->targets != NULL ? 0 : refuse_memory(work);
}

static char *beside(const char *path, const char *ending)
{
    struct text text = {0};
    text_printf(&text, "%s%s", path, ending);
    return text_take(&text);
}

static unsigned int read_files(struct work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct target *target = &work->targets[i];
        struct text why = {0};
        target->path = realpath(work->files[i].path, NULL);
        if (target->path == NULL || stat(target->path, &target->info) != 0)
            return refuse(work, CONFLICT, "%s: %s", work->files[i].path, strerror(errno));
        target->temporary = beside(target->path, ".new");
        target->old = beside(target->path, ".old");
        if (target->temporary == NULL || target->old == NULL)
            return refuse_memory(work);
        if (file_read(target->path, 0, &target->bytes, &why) != 0) {
            refuse(work, CONFLICT, "%s %s", target->path, why.at != NULL ? why.at : "");
            text_fini(&why);
            return CONFLICT;
        }
        work->files[i].bytes = target->bytes.bytes != NULL ? target->bytes.bytes : "";
        work->files[i].length = target->bytes.length;
    }
    return 0;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* A new file with mode and owner of the one it is like; it may be there from an earlier try. */
static bool make_file(const char *path, const struct stat *like, const char *bytes,
                      size_t length)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool is_owned = like->st_uid == geteuid() && like->st_gid == getegid();
    /* The mode first: once it is another's, only CAP_FOWNER could. */
    bool is_done = fchmod(fd, like->st_mode & 07777) == 0 &&
                   (is_owned || fchown(fd, like->st_uid, like->st_gid) == 0) &&
                   write_all(fd, bytes, length) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && is_done) {
        is_done = false;
        reason = errno;
    }
    if (!is_done)
        (void)unlink(path);
    errno = reason;
    return is_done;
}

static bool holds_users(const struct saved_file *file, const struct model *wanted)
{
    for (size_t i = 0; file->text.at != NULL && i < wanted->admin.n_users; i++)
        if (strstr(file->text.at, wanted->admin.users[i].hash) != NULL)
            return true;
    return false;
}

/* The mode of the new file: the old one's, but for what would make it one that no start accepts. */
static struct stat info_of_new(struct work *work, size_t i)
{
    struct target *target = &work->targets[i];
    struct stat info = target->info;
    target->is_tightened =
        (info.st_mode & S_IROTH) != 0 && holds_users(&work->files[i], work->wanted);
    if (target->is_tightened)
        info.st_mode &= ~(mode_t)S_IRWXO;
    return info;
}

/* New files and copies of the old ones, beside them. */
static unsigned int write_files(struct work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct target *target = &work->targets[i];
        const struct saved_file *file = &work->files[i];
        if (!file->is_changed)
            continue;
        const struct stat info = info_of_new(work, i);
        if (!make_file(target->temporary, &info, file->text.at != NULL ? file->text.at : "",
                       file->text.length))
            return refuse(work, CONFLICT, "%s cannot be written: %s", target->temporary,
                          strerror(errno));
        target->is_written = true;
        if (!make_file(target->old, &target->info, file->bytes, file->length))
            return refuse(work, CONFLICT, "%s cannot be written: %s", target->old,
                          strerror(errno));
    }
    return 0;
}

static void sync_folder(const char *path)
{
    char *folder = file_folder(path);
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

/* Puts the copies of the old ones back. */
static void take_back(struct work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct target *target = &work->targets[i];
        if (target->is_replaced)
            (void)rename(target->old, target->path);
        else if (target->is_written)
            (void)unlink(target->temporary);
    }
}

static unsigned int replace_files(struct work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct target *target = &work->targets[i];
        if (!target->is_written)
            continue;
        if (rename(target->temporary, target->path) != 0)
            return refuse(work, CONFLICT, "%s cannot be replaced: %s", target->path,
                          strerror(errno));
        target->is_replaced = true;
        sync_folder(target->path);
    }
    return 0;
}

/* What is on disk now must read back to what runs. */
static unsigned int verify(struct work *work)
{
    struct problems problems = {0};
    struct model *again = conf_load(&work->master->request, &problems);
    unsigned int status = 0;
    if (again == NULL || !is_same(again, work->wanted))
        status = refuse(work, CONFLICT, "what was written would not read back to the same: %s",
                        problems.errors.at != NULL ? problems.errors.at : "it differs");
    conf_free(again);
    problems_fini(&problems);
    return status;
}

static void say_done(struct work *work)
{
    text_clear(work->said);
    for (size_t i = 0; i < work->n; i++)
        if (work->targets[i].is_replaced)
            text_printf(work->said, "%s%s%s",
                        work->said->length > 0 ? ", " : "saved: ", work->targets[i].path,
                        work->targets[i].is_tightened
                            ? " (others may not read it any more, since it holds users)"
                            : "");
    if (work->said->length == 0)
        text_add(work->said, "nothing to save: the files say what runs");
}

static void fini(struct work *work)
{
    for (size_t i = 0; work->targets != NULL && i < work->n; i++) {
        free(work->targets[i].path);
        free(work->targets[i].temporary);
        free(work->targets[i].old);
        file_bytes_fini(&work->targets[i].bytes);
        text_fini(&work->files[i].text);
    }
    free(work->targets);
    free(work->files);
    conf_free(work->disk);
    conf_free(work->wanted);
}

unsigned int save_configuration(struct master *master, struct text *said)
{
    struct work work = {.master = master, .said = said};
    unsigned int status = read_disk(&work);
    if (status == 0)
        status = lay_over(&work);
    if (status == 0)
        status = find_files(&work);
    if (status == 0)
        status = read_files(&work);
    if (status == 0 && !conf_save(work.files, work.n, work.disk, work.wanted))
        status = refuse_memory(&work);
    if (status == 0) {
        status = write_files(&work);
        if (status == 0)
            status = replace_files(&work);
        if (status == 0)
            status = verify(&work);
        if (status != 0)
            take_back(&work);
    }
    if (status == 0)
        say_done(&work);
    fini(&work);
    return status;
}
