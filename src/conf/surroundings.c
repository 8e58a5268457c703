/* SPDX-License-Identifier: MIT */
/* Whether this machine has what a model names: users, folders, interfaces, descriptors. */
#include "conf/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
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

/* Can a file of this path be made, or if it is there, be written? */
static void check_file(const struct surroundings *here, const struct directive *row,
                       const char *path, bool is_made_anew)
{
    struct stat status;
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    bool is_there = lstat(path, &status) == 0;
    if (is_there && S_ISDIR(status.st_mode))
        refuse(here, row, path, "is a folder");
    else if (is_there && S_ISLNK(status.st_mode))
        refuse(here, row, path, "is a symbolic link, which is not followed");
    else if (is_there && !is_made_anew && S_ISSOCK(status.st_mode))
        refuse(here, row, path, "is a socket");
    else if (stat(folder, &status) != 0)
        refuse(here, row, path, "lies in a folder that does not exist");
    else if (!S_ISDIR(status.st_mode))
        refuse(here, row, path, "lies in something that is no folder");
    else if (is_there && !is_made_anew && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        refuse(here, row, path, "may not be written");
    else if ((!is_there || is_made_anew) &&
             faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        refuse(here, row, path, "lies in a folder that may not be written to");
}

static void check_files(const struct surroundings *here)
{
    const struct model_global *global = &here->model->global;
    /* Default places that cannot be used are only skipped, with a warning, at the start. */
    if (global->has_own_pidfile)
        check_file(here, GLOBAL_ROW(pidfile), global->pidfile, false);
    if (global->has_own_control)
        check_file(here, GLOBAL_ROW(control), global->control, true);
    if (global->log.kind == LOGS_FILE)
        check_file(here, GLOBAL_ROW(log), global->log.path, false);
    if (global->access_log.kind == LOGS_FILE)
        check_file(here, GLOBAL_ROW(access_log), global->access_log.path, false);
}

/* ---- descriptors ---- */

static bool can_raise_limits(void)
{
    cap_flag_value_t has = CAP_CLEAR;
    cap_t own = cap_get_proc();
    if (own != NULL)
        cap_get_flag(own, CAP_SYS_RESOURCE, CAP_EFFECTIVE, &has);
    cap_free(own);
    return has == CAP_SET;
}

/* The most descriptors a worker can have: the hard limit, or what the kernel lets root raise it to. */
static uint64_t descriptor_limit(bool is_root)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return UINT64_MAX;
    uint64_t most = limit.rlim_max;
    FILE *file = is_root && can_raise_limits() ? fopen("/proc/sys/fs/nr_open", "re") : NULL;
    char line[32];
    int64_t kernels;
    if (file != NULL) {
        if (fgets(line, sizeof line, file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            if (units_parse_number(line, &kernels) == 0 && (uint64_t)kernels > most)
                most = (uint64_t)kernels;
        }
        fclose(file);
    }
    return most;
}

static void check_descriptors(const struct surroundings *here, bool is_root)
{
    int64_t connections = here->model->global.max_connections;
    uint64_t limit = descriptor_limit(is_root);
    const struct directive *row = GLOBAL_ROW(max_connections);
    if (connections > 0 && (uint64_t)connections > limit / 2)
        problems_add(here->problems, place(here->global, row), "global", row->key,
                     "descriptor limit too small for max_connections: %" PRId64
                     " connections take two descriptors each, the limit is %" PRIu64,
                     connections, limit);
}

/* ---- the kernel's words ---- */

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

void surroundings_check(const struct model *model, bool is_root, struct problems *problems)
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
    check_descriptors(&here, is_root);
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
                             model->groups[group++].congestion);
        }
    }
}
