/* SPDX-License-Identifier: MIT */
/* A configuration written back into the files it came from. */
#ifndef CONF_SAVE_H
#define CONF_SAVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "conf/model.h"

/* One file. */
struct saved_file {
    const char *path;  /* as origins name it */
    const char *bytes; /* as it is now; both the caller's */
    size_t length;
    struct text text; /* as it shall be; owned: text_fini */
    bool is_changed;
};

/*
 * Changes the text of files so that they say what is wanted. Comments, order, blank lines and spelling stay wherever
 * key and value do: a value that differs takes its own line's place in front of the comment behind it; a line
 * that is not wanted goes, a section with the comment right above it; a new line comes behind the last of its key, else
 * at the end of its section, a new section at the end of the first file. What the command line says is never
 * written.
 * files   those that `disk` was read from, the main one first
 * disk    what they say now
 * wanted  what they shall say
 * Returns false when memory is out.
 */
bool conf_save(struct saved_file *files, size_t n_files, const struct model *disk,
               const struct model *wanted);

#endif
