/* SPDX-License-Identifier: MIT */
/* What was read: an arena that holds one configuration, its sections and their effective lines. */
#ifndef CONF_STORE_H
#define CONF_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/addresses.h"
#include "conf/model.h"

#define ORIGIN_COMMAND_LINE "command line" /* file of what was not read from a file */

struct directive;

/* Memory that is only ever freed as a whole; zero is the valid empty arena. */
struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used, capacity;      /* of the newest chunk's bytes */
};

/* Zeroed memory, aligned for anything, that lives until arena_fini. NULL with errno ENOMEM. */
void *arena_take(struct arena *arena, size_t bytes);

/* As arena_take for an array; a product that overflows is ENOMEM. */
void *arena_take_array(struct arena *arena, size_t n, size_t bytes);

/* A NUL-terminated copy of length bytes. NULL with errno ENOMEM. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

/* Gives back what was taken, where it was so large that it has memory of its own; else nothing. */
void arena_release(struct arena *arena, const void *taken, size_t bytes);

void arena_fini(struct arena *arena);

enum section_kind {
    SECTION_GLOBAL,
    SECTION_ADMIN,
    SECTION_SERVICE,
    SECTION_GROUP,
    SECTION_KINDS /* how many */
};

/* One "key = value" whose key is known. */
struct conf_line {
    const struct directive *row;
    const char *value; /* comment stripped, ${NAME} filled in, double quotes still there */
    struct origin origin;
    bool is_override;   /* from the command line, over what was read */
    bool is_overridden; /* the command line stands over it: checked, but of no effect */
    bool is_matched;    /* conf_save's own, while it compares */
    struct conf_line *next;
};

#define ORIGIN_TEXT_BYTES 256

/* "FILE:LINE" for a message, a long name cut; the command line has no lines. Returns out. */
const char *origin_print(char out[ORIGIN_TEXT_BYTES], const struct origin *origin);

struct conf_section {
    enum section_kind kind;
    const char *name;  /* "" for [global] and [admin] */
    const char *title; /* as between the brackets: "service web" */
    struct origin origin;
    bool is_duplicate; /* one of this title came before: checked, but of no effect */
    struct conf_line *first, *last;
    struct conf_section *next;
};

/* Who gets a private key: nobody else ever sees it. */
enum key_party {
    KEY_OF_WORKERS = 1, /* a service's */
    KEY_OF_DIRECTOR = 2 /* a door's */
};

/* What tells that a file on disk is another one than before; zero: it was not read from there. */
struct file_stamp {
    int64_t changed_ns; /* since 1970: of its contents */
    uint64_t inode, length;
};

/* A file that a value names: read once, and carried in the bundle. */
struct conf_file {
    struct model_file file; /* of a key that was withheld: without a byte */
    unsigned key_for; /* holds a private key: the enum key_party who get its bytes; 0: none */
    bool is_open;     /* others may read it: it cannot be a secret */
    char *bytes;      /* those of file, to be wiped */
    bool is_watched;  /* master takes it over when it has changed on disk */
    bool is_changed;  /* on disk: it is to be read again */
    /* Not carried: what was read; what it was when it was looked at last; what was tried. */
    struct file_stamp stamp, seen, tried;
    struct conf_file *next;
};

/* Owner: the model built from it, or whoever called store_new while there is none. */
struct conf_store {
    struct arena arena;
    const char *path, *folder; /* as in struct model */
    bool has_file;             /* false: text alone, so no run-time files by default */
    struct conf_section *first, *last;
    size_t n_sections, n_lines;
    struct conf_file *files; /* those that values name */
    bool
        may_read; /* a file not in files is read from disk: by conf_load, never from a bundle */
    bool is_edited; /* by an admin at run time: a group that is not in force may be empty */
    struct addresses addresses; /* what names mean here; freed with the store */
};

/* NULL with errno ENOMEM. */
struct conf_store *store_new(void);
void store_free(struct conf_store *store);

/* The file of this path, or what was fetched under this name; NULL: the store has none. */
struct conf_file *store_find_file(const struct conf_store *store, const char *path);

/* Private keys are not needed any more: their bytes become zeros. */
void store_wipe_keys(struct conf_store *store);

/* "global", "service": the word a section of this kind begins with. */
const char *store_kind_word(enum section_kind kind);

/* Adds a section at the end; name is copied. NULL with errno ENOMEM. */
struct conf_section *store_add_section(struct conf_store *store, enum section_kind kind,
                                       const char *name, const struct origin *origin);

/* Adds a line at the end of the section; value is copied. NULL with errno ENOMEM. */
struct conf_line *store_add_line(struct conf_store *store, struct conf_section *section,
                                 const struct directive *row, const char *value,
                                 const struct origin *origin);

/* Where the section's n-th line of this row that has effect was written, or the section where there is none. */
const struct origin *store_place(const struct conf_section *section,
                                 const struct directive *row, size_t n);

/* The section's first line of this row that has effect, or NULL. */
const struct conf_line *store_find_line(const struct conf_section *section,
                                        const struct directive *row);

/* The section of this kind and name that has effect, or NULL; walks them all. */
struct conf_section *store_find_section(const struct conf_store *store, enum section_kind kind,
                                        const char *name);

/* Where the [global] key of this row was written; the main file without a line for a default. */
struct origin store_global_origin(const struct conf_store *store, const struct directive *row);

/* Takes lines of a key out: those of this value, or all when it is NULL. For a copy that is being edited. */
void store_drop_lines(struct conf_section *section, const struct directive *row,
                      const char *value);

/* Takes a section out. */
void store_drop_section(struct conf_store *store, const struct conf_section *section);

#endif
