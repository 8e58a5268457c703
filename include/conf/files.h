/* SPDX-License-Identifier: MIT */
/* Configuration files as bytes: opened without waiting, refused when they cannot be trusted; includes found. */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"
#include "conf/store.h"

#define FILES_MOST_BYTES (16 << 20) /* longest configuration file */

/* A file's contents; zero is empty. */
struct file_bytes {
    char *bytes; /* owned, length of them */
    size_t length;
    dev_t device;
    ino_t inode;
    uid_t owner;
    mode_t mode; /* permissions */
    struct file_stamp stamp;
};
void file_bytes_fini(struct file_bytes *file);

/* What the file of this path is now. False with errno when it cannot be examined. */
bool file_examine_stamp(const char *path, struct file_stamp *out);

/* True when others than its owner and its group may read it. */
bool file_is_open(const struct file_bytes *file);

/*
 * Reads a regular file that group and others may not write.
 * flags  O_NOFOLLOW or 0
 * Returns 0, or -1 with a sentence in why.
 */
int file_read(const char *path, int flags, struct file_bytes *out, struct text *why);

/* The absolute folder of a file, "/" at the end only for the root; malloc'ed. NULL with errno. */
char *file_folder(const char *path);

/* Paths that an include names, sorted; zero is none. */
struct file_list {
    char **paths; /* owned, each and all */
    size_t n;
};
void file_list_fini(struct file_list *list);

/*
 * Finds the files of one include; a pattern may match nothing, a plain name must exist.
 * Every one must lie below folder, also behind symbolic links.
 * Returns 0, or -1 with a sentence in why.
 */
int file_find_includes(const char *folder, const char *pattern, struct file_list *out,
                       struct text *why);

#endif
