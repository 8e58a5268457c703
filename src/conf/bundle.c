/* SPDX-License-Identifier: MIT */
/* One sealed memfd that carries a configuration to another process: text, origins, files, row numbers. */
#include "conf/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/assemble.h"
#include "conf/directives.h"
#include "conf/keyless.h"
#include "conf/sealed.h"
#include "conf/store.h"

/*
 * A head, the four arrays of row numbers, path and folder, the files that values name as path and
 * bytes (of one with a private key its certificates alone: the whole lies in a memfd of its own, as path and bytes), what names of
 * hosts mean, then the effective lines: for each section its kind, name, origin, number of lines and these as key, value, origin. A
 * string is a 32-bit length and its bytes. The reader assembles the model anew by the same
 * table that built the sender's. All numbers are the machine's own: a bundle never leaves it.
 */
#define BUNDLE_MAGIC "gaidaros"
#define BUNDLE_VERSION 5
#define BUNDLE_MOST_BYTES ((size_t)1 << 30)
#define FILE_NONE 0
#define FILE_SAME 1 /* as the origin before */
#define FILE_NEW 2  /* its name follows */

struct head {
    char magic[8];
    uint32_t version;
    uint16_t has_file, is_edited;
    uint64_t bytes; /* of all, head included */
    uint64_t n_sections;
    uint64_t n_services, n_groups, n_hosts, n_listeners;
};

/* ---- packing ---- */

struct packer {
    struct text out;
    const char *file; /* of the origin before */
};

static void pack_u32(struct packer *packer, uint32_t number)
{
    text_append(&packer->out, &number, sizeof number);
}

static void pack_string(struct packer *packer, const char *string)
{
    size_t length = strlen(string);
    pack_u32(packer, (uint32_t)length);
    text_append(&packer->out, string, length);
}

static void pack_origin(struct packer *packer, const struct origin *origin)
{
    bool is_same = origin->file == packer->file;
    pack_u32(packer, origin->file == NULL ? FILE_NONE : is_same ? FILE_SAME : FILE_NEW);
    if (origin->file != NULL && !is_same)
        pack_string(packer, origin->file);
    if (origin->file != NULL)
        packer->file = origin->file;
    pack_u32(packer, origin->line);
}

static void pack_section(struct packer *packer, const struct conf_section *section)
{
    uint32_t n_lines = 0;
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        n_lines += !line->is_overridden;
    pack_u32(packer, section->kind);
    pack_string(packer, section->name);
    pack_origin(packer, &section->origin);
    pack_u32(packer, n_lines);
    for (const struct conf_line *line = section->first; line != NULL; line = line->next) {
        if (line->is_overridden)
            continue;
        pack_string(packer, line->row->key);
        pack_string(packer, line->value);
        pack_origin(packer, &line->origin);
    }
}

static void pack_numbers(struct packer *packer, const uint32_t *numbers, size_t n)
{
    if (n > 0)
        text_append(&packer->out, numbers, n * sizeof *numbers);
}

static void pack_bytes(struct packer *packer, const struct model_file *file)
{
    pack_string(packer, file->path);
    pack_u32(packer, (uint32_t)file->length);
    text_append(&packer->out, file->bytes, file->length);
}

/* Of one that holds a key the name, and the certificates beside it. */
static void pack_keyless(struct packer *packer, const struct model_file *file)
{
    struct text shown = {0};
    keyless_add(&shown, file);
    const struct model_file withheld = {
        .path = file->path,
        .bytes = (const unsigned char *)(shown.at != NULL ? shown.at : ""),
        .length = shown.length};
    pack_bytes(packer, &withheld);
    packer->out.failed |= shown.failed;
    text_fini(&shown);
}

static void pack_files(struct packer *packer, const struct conf_store *store)
{
    uint32_t n = 0;
    for (const struct conf_file *file = store->files; file != NULL; file = file->next)
        n++;
    pack_u32(packer, n);
    for (const struct conf_file *file = store->files; file != NULL; file = file->next) {
        pack_u32(packer, file->key_for);
        if (file->key_for != 0)
            pack_keyless(packer, &file->file);
        else
            pack_bytes(packer, &file->file);
    }
}

bool bundle_has_keys(const struct model *model, enum key_party party)
{
    for (const struct conf_file *file = model->store->files; file != NULL; file = file->next)
        if ((file->key_for & party) != 0)
            return true;
    return false;
}

int bundle_pack_keys(const struct model *model, enum key_party party)
{
    struct packer packer = {0};
    for (const struct conf_file *file = model->store->files; file != NULL; file = file->next)
        if ((file->key_for & party) != 0)
            pack_bytes(&packer, &file->file);
    int fd = -1;
    if (packer.out.failed)
        errno = ENOMEM;
    else
        fd = sealed_make("gaidaros keys", packer.out.at, packer.out.length);
    int error = errno;
    if (packer.out.at != NULL)
        explicit_bzero(packer.out.at, packer.out.length);
    text_fini(&packer.out);
    errno = error;
    return fd;
}

int bundle_pack_all_keys(const struct model *model, struct bundle_keys *out)
{
    const enum key_party parties[] = {KEY_OF_WORKERS, KEY_OF_DIRECTOR};
    int *const fds[] = {&out->workers_fd, &out->director_fd};
    *out = BUNDLE_NO_KEYS;
    for (size_t i = 0; i < sizeof parties / sizeof parties[0]; i++) {
        if (!bundle_has_keys(model, parties[i]))
            continue;
        *fds[i] = bundle_pack_keys(model, parties[i]);
        if (*fds[i] < 0) {
            int error = errno;
            bundle_close_keys(out);
            errno = error;
            return -1;
        }
    }
    return 0;
}

void bundle_close_keys(struct bundle_keys *keys)
{
    if (keys->workers_fd >= 0)
        close(keys->workers_fd);
    if (keys->director_fd >= 0)
        close(keys->director_fd);
    *keys = BUNDLE_NO_KEYS;
}

int bundle_pack(const struct model *model, const struct bundle_rows *rows)
{
    struct packer packer = {0};
    struct head head = {.magic = BUNDLE_MAGIC,
                        .version = BUNDLE_VERSION,
                        .has_file = model->store->has_file,
                        .is_edited = model->store->is_edited,
                        .n_services = rows->n_services,
                        .n_groups = rows->n_groups,
                        .n_hosts = rows->n_hosts,
                        .n_listeners = rows->n_listeners};
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next)
        head.n_sections++;
    text_append(&packer.out, &head, sizeof head);
    pack_numbers(&packer, rows->services, rows->n_services);
    pack_numbers(&packer, rows->groups, rows->n_groups);
    pack_numbers(&packer, rows->hosts, rows->n_hosts);
    pack_numbers(&packer, rows->listeners, rows->n_listeners);
    pack_string(&packer, model->path);
    pack_string(&packer, model->folder);
    pack_files(&packer, model->store);
    addresses_add(&packer.out, &model->store->addresses);
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next)
        pack_section(&packer, section);
    int fd = -1;
    if (packer.out.failed) {
        errno = ENOMEM;
    } else {
        head.bytes = packer.out.length;
        memcpy(packer.out.at, &head, sizeof head);
        fd = sealed_make("gaidaros configuration", packer.out.at, packer.out.length);
    }
    int error = errno;
    text_fini(&packer.out);
    errno = error;
    return fd;
}

/* ---- unpacking: every step looks at what is left first ---- */

struct unpacker {
    const char *at, *end;
    struct conf_store *store;
    const char *file;            /* of the origin before */
    const char *keys, *keys_end; /* what bundle_pack_keys has packed; NULL: they are withheld */
    enum key_party party;        /* for whom */
};

static bool unpack_u32(struct unpacker *unpacker, uint32_t *number)
{
    if ((size_t)(unpacker->end - unpacker->at) < sizeof *number)
        return false;
    memcpy(number, unpacker->at, sizeof *number);
    unpacker->at += sizeof *number;
    return true;
}

static bool unpack_string(struct unpacker *unpacker, const char **string)
{
    uint32_t length;
    if (!unpack_u32(unpacker, &length) || (size_t)(unpacker->end - unpacker->at) < length ||
        memchr(unpacker->at, '\0', length) != NULL)
        return false;
    *string = arena_copy(&unpacker->store->arena, unpacker->at, length);
    unpacker->at += length;
    return *string != NULL;
}

static bool unpack_origin(struct unpacker *unpacker, struct origin *origin)
{
    uint32_t how;
    *origin = (struct origin){0};
    if (!unpack_u32(unpacker, &how) || how > FILE_NEW)
        return false;
    if (how == FILE_NEW && !unpack_string(unpacker, &unpacker->file))
        return false;
    if (how != FILE_NONE)
        origin->file = unpacker->file;
    return (how == FILE_NONE || origin->file != NULL) && unpack_u32(unpacker, &origin->line);
}

static bool unpack_line(struct unpacker *unpacker, struct conf_section *section)
{
    const char *key, *value;
    struct origin origin;
    if (!unpack_string(unpacker, &key) || !unpack_string(unpacker, &value) ||
        !unpack_origin(unpacker, &origin) || origin.file == NULL)
        return false;
    const struct directive *row = directives_find(section->kind, key);
    return row != NULL && store_add_line(unpacker->store, section, row, value, &origin) != NULL;
}

static bool unpack_section(struct unpacker *unpacker)
{
    uint32_t kind, n_lines;
    const char *name;
    struct origin origin;
    if (!unpack_u32(unpacker, &kind) || kind >= SECTION_KINDS ||
        !unpack_string(unpacker, &name) || !unpack_origin(unpacker, &origin) ||
        !unpack_u32(unpacker, &n_lines))
        return false;
    struct conf_section *section =
        store_add_section(unpacker->store, (enum section_kind)kind, name, &origin);
    if (section == NULL)
        return false;
    for (uint32_t i = 0; i < n_lines; i++)
        if (!unpack_line(unpacker, section))
            return false;
    return true;
}

static bool unpack_numbers(struct unpacker *unpacker, uint32_t **numbers, size_t *n_out,
                           uint64_t n)
{
    if (n > (size_t)(unpacker->end - unpacker->at) / sizeof **numbers)
        return false;
    *numbers = arena_take_array(&unpacker->store->arena, n, sizeof **numbers);
    if (*numbers == NULL)
        return false;
    memcpy(*numbers, unpacker->at, n * sizeof **numbers);
    unpacker->at += n * sizeof **numbers;
    *n_out = n;
    return true;
}

/* A file's path, and its bytes, which may hold NULs; in the arena. */
static bool unpack_bytes(struct unpacker *unpacker, struct conf_file *file)
{
    uint32_t length;
    if (!unpack_string(unpacker, &file->file.path) || !unpack_u32(unpacker, &length) ||
        (size_t)(unpacker->end - unpacker->at) < length)
        return false;
    file->bytes = arena_copy(&unpacker->store->arena, unpacker->at, length);
    file->file.bytes = (unsigned char *)file->bytes;
    file->file.length = length;
    unpacker->at += length;
    return file->bytes != NULL;
}

/* Passes over a string's or a file's bytes; false when they are cut. */
static bool skip(struct unpacker *unpacker, const char **bytes, uint32_t *length)
{
    if (!unpack_u32(unpacker, length) || (size_t)(unpacker->end - unpacker->at) < *length)
        return false;
    *bytes = unpacker->at;
    unpacker->at += *length;
    return true;
}

/* Looks for the bytes of a file that came apart from the rest. */
static bool unpack_key(struct unpacker *unpacker, struct conf_file *file)
{
    struct unpacker keys = {
        .at = unpacker->keys, .end = unpacker->keys_end, .store = unpacker->store};
    const char *path = file->file.path, *found_path, *found;
    uint32_t path_length, length;
    while (keys.at < keys.end) {
        struct unpacker here = keys;
        if (!skip(&keys, &found_path, &path_length) || !skip(&keys, &found, &length))
            return false;
        if (path_length == strlen(path) && memcmp(found_path, path, path_length) == 0)
            return unpack_bytes(&here, file);
    }
    return false;
}

static bool unpack_file(struct unpacker *unpacker)
{
    struct conf_store *store = unpacker->store;
    struct conf_file *file = arena_take(&store->arena, sizeof *file);
    uint32_t key_for;
    if (file == NULL || !unpack_u32(unpacker, &key_for) ||
        key_for > (KEY_OF_WORKERS | KEY_OF_DIRECTOR) || !unpack_bytes(unpacker, file))
        return false;
    file->key_for = key_for;
    file->next = store->files;
    store->files = file;
    bool is_ours = (file->key_for & unpacker->party) != 0;
    return !is_ours || unpacker->keys == NULL || unpack_key(unpacker, file);
}

static bool unpack_files(struct unpacker *unpacker)
{
    uint32_t n;
    if (!unpack_u32(unpacker, &n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!unpack_file(unpacker))
            return false;
    return true;
}

static bool unpack_store(struct unpacker *unpacker, struct bundle_rows *rows)
{
    struct head head;
    size_t length = (size_t)(unpacker->end - unpacker->at);
    if (length < sizeof head)
        return false;
    memcpy(&head, unpacker->at, sizeof head);
    if (memcmp(head.magic, BUNDLE_MAGIC, sizeof head.magic) != 0 ||
        head.version != BUNDLE_VERSION || head.bytes != length)
        return false;
    unpacker->at += sizeof head;
    unpacker->store->has_file = head.has_file != 0;
    unpacker->store->is_edited = head.is_edited != 0;
    if (!unpack_numbers(unpacker, &rows->services, &rows->n_services, head.n_services) ||
        !unpack_numbers(unpacker, &rows->groups, &rows->n_groups, head.n_groups) ||
        !unpack_numbers(unpacker, &rows->hosts, &rows->n_hosts, head.n_hosts) ||
        !unpack_numbers(unpacker, &rows->listeners, &rows->n_listeners, head.n_listeners) ||
        !unpack_string(unpacker, &unpacker->store->path) ||
        !unpack_string(unpacker, &unpacker->store->folder) || !unpack_files(unpacker) ||
        addresses_take(&unpacker->at, unpacker->end, &unpacker->store->addresses) != 0)
        return false;
    for (uint64_t i = 0; i < head.n_sections; i++)
        if (!unpack_section(unpacker))
            return false;
    return unpacker->at == unpacker->end;
}

static bool rows_fit(const struct model *model, const struct bundle_rows *rows)
{
    return rows->n_services == model->n_services && rows->n_groups == model->n_groups &&
           rows->n_hosts == model->n_hosts && rows->n_listeners == model->n_listens;
}

static struct model *unpack(struct unpacker *unpacker, struct bundle_rows *rows_out,
                            struct problems *problems)
{
    size_t errors_before = problems->n_errors;
    struct bundle_rows rows = {0};
    bool is_whole = unpacker->store != NULL && unpack_store(unpacker, &rows);
    struct model *model = is_whole ? model_assemble(unpacker->store, problems) : NULL;
    if (model == NULL)
        store_free(unpacker->store);
    if (model == NULL && problems->n_errors == errors_before)
        problems_add(problems, NULL, NULL, NULL, "the bundle is damaged");
    if (model != NULL && problems->n_errors == errors_before && !rows_fit(model, &rows))
        problems_add(problems, NULL, NULL, NULL, "the bundle's row numbers do not fit it");
    if (model != NULL && problems->n_errors > errors_before) {
        conf_free(model);
        model = NULL;
    }
    if (model != NULL)
        *rows_out = rows;
    return model;
}

static char *read_sealed(int fd, size_t least, size_t *length, struct problems *problems)
{
    char *bytes = sealed_read(fd, least, BUNDLE_MOST_BYTES, length);
    if (bytes == NULL)
        problems_add(problems, NULL, NULL, NULL, "the bundle cannot be read: %s",
                     strerror(errno));
    return bytes;
}

struct model *bundle_unpack_whole(int fd, int keys_fd, enum key_party party,
                                  struct bundle_rows *rows_out, struct problems *problems)
{
    size_t length, keys_length = 0;
    *rows_out = (struct bundle_rows){0};
    char *bytes = read_sealed(fd, sizeof(struct head), &length, problems);
    if (bytes == NULL)
        return NULL;
    char *keys = keys_fd >= 0 ? read_sealed(keys_fd, 0, &keys_length, problems) : NULL;
    struct model *model = NULL;
    if (keys != NULL || keys_fd < 0) {
        struct unpacker unpacker = {.at = bytes,
                                    .end = bytes + length,
                                    .store = store_new(),
                                    .party = party,
                                    .keys = keys,
                                    .keys_end = keys != NULL ? keys + keys_length : NULL};
        model = unpack(&unpacker, rows_out, problems);
    }
    if (keys != NULL)
        explicit_bzero(keys, keys_length);
    free(keys);
    free(bytes);
    return model;
}

struct model *bundle_unpack(int fd, struct bundle_rows *rows_out, struct problems *problems)
{
    return bundle_unpack_whole(fd, -1, KEY_OF_WORKERS, rows_out, problems);
}
