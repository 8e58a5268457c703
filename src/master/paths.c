/* SPDX-License-Identifier: MIT */
/* Run-time files: where they are, whether the default places can be used. */
#include "master/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_FOLDER "/run/gaidaros"

/* True when it is there; else errno tells why not. */
static bool make_folder(void)
{
    if (mkdir(RUN_FOLDER, 0755) != 0)
        return errno == EEXIST;
    (void)!chmod(RUN_FOLDER, 0755); /* whatever the umask */
    return true;
}

static const char *resolve(const char *path, bool is_own, bool is_one_line, const char *what,
                           struct text *notes)
{
    if (path[0] == '\0')
        return NULL;
    if (is_own) {
        /* The default place may be named too; where its folder cannot be had, the file says so. */
        if (strncmp(path, RUN_FOLDER "/", sizeof RUN_FOLDER) == 0)
            make_folder();
        return path;
    }
    if (is_one_line)
        return NULL;
    if (geteuid() != 0) {
        text_printf(notes, "not root: the default %s %s is skipped\n", what, path);
        return NULL;
    }
    if (make_folder())
        return path;
    text_printf(notes, "%s: %s: the default %s is skipped\n", RUN_FOLDER, strerror(errno),
                what);
    return NULL;
}

struct run_paths paths_resolve(const struct model_global *global, bool is_one_line,
                               struct text *notes)
{
    return (struct run_paths){
        .pidfile =
            resolve(global->pidfile, global->has_own_pidfile, is_one_line, "pidfile", notes),
        .control = resolve(global->control, global->has_own_control, is_one_line,
                           "control socket", notes),
    };
}

char *paths_make_absolute(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char *folder = getcwd(NULL, 0);
    if (folder == NULL)
        return NULL;
    struct text whole = {0};
    text_printf(&whole, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
    free(folder);
    return text_take(&whole);
}
