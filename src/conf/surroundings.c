/* SPDX-License-Identifier: MIT */
/* Whether this machine has what a model names: users, folders, interfaces, a poller. */
#include "conf/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "conf/directives.h"

#define KERNEL_WORDS_BYTES 1024
static const char available_file[] = "/proc/sys/net/ipv4/tcp_available_congestion_control";
static const char allowed_file[] = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

struct surroundings {
    const struct model *model;
    struct problems *problems;
    const struct conf_section *global;
    /* Words between blanks; "" when unknown. */
    char available[KERNEL_WORDS_BYTES], allowed[KERNEL_WORDS_BYTES];
};

static const struct origin *place(const struct conf_section *section,
                                  const struct directive *row)
{
    const struct conf_line *line = store_find_line(section, row);
    return line != NULL ? &line->origin : NULL;
}

#define GLOBAL_ROW(member) DIRECTIVE_OF(SECTION_GLOBAL, model_global, member)

static void refuse(const struct surroundings *here, const struct directive *row,
                   const char *subject, const char *what)
{
    problems_add(here->problems, place(here->global, row), "global", row->key, "%s %s", subject,
                 what);
}

/* ---- accounts ---- */

static void check_accounts(const struct surroundings *here)
{
    const char *user = here->model->global.user, *group = here->model->global.group;
    if (user[0] != '\0') {
        const struct passwd *account = getpwnam(user);
        if (account == NULL)
            refuse(here, GLOBAL_ROW(user), user, "is no account of this machine");
        else if (account->pw_uid == 0)
            refuse(here, GLOBAL_ROW(user), user, "is root: workers must not be");
    }
    if (group[0] != '\0') {
        const struct group *entry = getgrnam(group);
        if (entry == NULL)
            refuse(here, GLOBAL_ROW(group), group, "is no group of this machine");
        else if (entry->gr_gid == 0)
            refuse(here, GLOBAL_ROW(group), group,
                   "is root's group: workers must not be in it");
    }
}

/* ---- files that master makes ---- */

/* What a file is for decides what may already be there. */
enum file_use { FILE_PIDFILE, FILE_CONTROL, FILE_LOG };

/* Why what is there cannot be used, or NULL. */
static const char *unfit(const struct stat *status, enum file_use use)
{
    mode_t mode = status->st_mode;
    if (S_ISDIR(mode))
        return "is a folder";
    if (S_ISLNK(mode))
        return "is a symbolic link, which is not followed";
    switch (use) {
    case FILE_PIDFILE:
        if (!S_ISREG(mode))
            return "is not a regular file";
        return status->st_nlink > 1 ? "has more than one name (hard links)" : NULL;
    case FILE_CONTROL:
        return S_ISSOCK(mode) ? NULL : "exists and is not a socket";
    case FILE_LOG:
        return S_ISREG(mode) || S_ISCHR(mode) || S_ISFIFO(mode)
                   ? NULL
                   : "is neither a file nor a fifo";
    }
    return NULL;
}

/* The folder of an absolute path. */
static void folder_of(char folder[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, path, length);
    folder[length] = '\0';
}

/* Can a file of this path be made, or if it is there, be used? */
static void check_file(const struct surroundings *here, const struct directive *row,
                       const char *path, enum file_use use)
{
    struct stat status;
    char folder[PATH_MAX];
    folder_of(folder, path);
    bool is_there = lstat(path, &status) == 0;
    const char *why = is_there ? unfit(&status, use) : NULL;
    bool is_made = !is_there || use == FILE_CONTROL;
    /* What is read, too: a pidfile for the number in it, a fifo so that it needs no reader. */
    bool is_read = use == FILE_PIDFILE || (is_there && S_ISFIFO(status.st_mode));
    int access = W_OK | (is_read ? R_OK : 0);
    if (why != NULL)
        refuse(here, row, path, why);
    else if (stat(folder, &status) != 0) {
        /* Its own folder is made at the start. */
        if (geteuid() != 0 || row->def == NULL || strcmp(path, row->def) != 0)
            refuse(here, row, path, "lies in a folder that does not exist");
    } else if (!S_ISDIR(status.st_mode))
        refuse(here, row, path, "lies in something that is no folder");
    else if (!is_made && faccessat(AT_FDCWD, path, access, AT_EACCESS) != 0)
        refuse(here, row, path, is_read ? "may not be read and written" : "may not be written");
    else if (is_made && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        refuse(here, row, path, "lies in a folder that may not be written to");
}

static void check_files(const struct surroundings *here)
{
    const struct model_global *global = &here->model->global;
    /* Default places that cannot be used are only skipped, with a warning, at the start. */
    if (global->has_own_pidfile)
        check_file(here, GLOBAL_ROW(pidfile), global->pidfile, FILE_PIDFILE);
    if (global->has_own_control)
        check_file(here, GLOBAL_ROW(control), global->control, FILE_CONTROL);
    if (global->log.kind == LOGS_FILE)
        check_file(here, GLOBAL_ROW(log), global->log.path, FILE_LOG);
    if (global->access_log.kind == LOGS_FILE)
        check_file(here, GLOBAL_ROW(access_log), global->access_log.path, FILE_LOG);
}

/* ---- the kernel's words ---- */

static void check_poller(const struct surroundings *here)
{
    enum poller poller = here->model->global.poller;
    const struct directive *row = GLOBAL_ROW(poller);
    struct ev_loop *loop = poller_open(poller);
    if (loop != NULL)
        ev_loop_destroy(loop);
    else if (errno == ENOTSUP)
        refuse(here, row, directives_word(row, poller),
               "is not offered by this kernel and libev");
    else
        problems_add(here->problems, place(here->global, row), "global", row->key,
                     "no event loop by %s can be had: %s", directives_word(row, poller),
                     strerror(errno));
}

static void read_words(const char *path, char out[KERNEL_WORDS_BYTES])
{
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(out, 1, KERNEL_WORDS_BYTES - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    out[length] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; *at != '\0'; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == length && strncmp(at, word, length) == 0)
            return true;
    }
    return false;
}

bool surroundings_allow_congestion(const char *name, const char *available, const char *allowed,
                                   struct text *why)
{
    if (name[0] == '\0' || has_word(allowed, name))
        return true;
    if (available[0] != '\0' && !has_word(available, name)) {
        text_printf(why, "this kernel does not offer %s, but %s", name, available);
        return false;
    }
    if (allowed[0] == '\0')
        return true;
    text_printf(why,
                "this kernel lets only root use %s; others may use %s "
                "(net.ipv4.tcp_allowed_congestion_control)",
                name, allowed);
    return false;
}

/* Workers are not root, and master keeps no right to more than what is allowed to all. */
static void check_congestion(const struct surroundings *here,
                             const struct conf_section *section, const struct directive *row,
                             const char *name)
{
    struct text why = {0};
    if (!surroundings_allow_congestion(name, here->available, here->allowed, &why))
        problems_add(here->problems, place(section, row), section->title, row->key, "%s",
                     why.at != NULL ? why.at : name);
    text_fini(&why);
}

static void check_interfaces(const struct surroundings *here,
                             const struct conf_section *section,
                             const struct model_service *service)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_SERVICE, model_service, listens);
    for (size_t i = 0; i < service->n_listens; i++) {
        const struct model_listen *listen = &service->listens[i];
        if (listen->interface[0] != '\0' && if_nametoindex(listen->interface) == 0)
            problems_add(here->problems, &listen->origin, section->title, row->key,
                         "this machine has no interface %s", listen->interface);
    }
}

/* Workers get it from this process, and only at their start. */
static bool has_net_raw(void)
{
    cap_flag_value_t is_set = CAP_CLEAR;
    cap_t own = cap_get_proc();
    if (own != NULL)
        cap_get_flag(own, CAP_NET_RAW, CAP_PERMITTED, &is_set);
    cap_free(own);
    return is_set == CAP_SET;
}

static void check_transparency(const struct surroundings *here,
                               const struct conf_section *section,
                               const struct model_group *group)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_GROUP, model_group, binds);
    for (size_t i = 0; i < group->n_binds; i++)
        if (group->binds[i].is_client && !has_net_raw())
            problems_add(here->problems, place(section, row), section->title, row->key,
                         "client takes the capability CAP_NET_RAW, which workers get at their "
                         "start: start the daemon as root with this line in the file");
}

void surroundings_check(const struct model *model, struct problems *problems)
{
    struct surroundings here = {
        .model = model,
        .problems = problems,
        .global = store_find_section(model->store, SECTION_GLOBAL, ""),
    };
    size_t service = 0, group = 0;
    read_words(available_file, here.available);
    read_words(allowed_file, here.allowed);
    check_accounts(&here);
    check_files(&here);
    check_poller(&here);
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next) {
        if (section->is_duplicate)
            continue;
        if (section->kind == SECTION_SERVICE) {
            check_interfaces(&here, section, &model->services[service]);
            check_congestion(&here, section,
                             DIRECTIVE_OF(SECTION_SERVICE, model_service, congestion),
                             model->services[service++].congestion);
        } else if (section->kind == SECTION_GROUP) {
            check_congestion(&here, section,
                             DIRECTIVE_OF(SECTION_GROUP, model_group, congestion),
                             model->groups[group].congestion);
            check_transparency(&here, section, &model->groups[group++]);
        }
    }
}
