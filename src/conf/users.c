/* SPDX-License-Identifier: MIT */
/* Who may open the admin doors: users with their password hashes. */
#include "conf/users.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "conf/attached.h"
#include "conf/model.h"
#include "conf/quotes.h"

enum { USERS_FILE_MOST_BYTES = 1 << 20 };

/* What stands behind the last '$' or, for bcrypt, behind the salt: see crypt(5). */
static const struct method {
    const char *prefix;
    size_t digest;  /* characters of the digest, which is the last part */
    size_t dollars; /* at least so many in all */
} methods[] = {
    {"$y$", 43, 4},  {"$gy$", 43, 4}, {"$7$", 43, 3}, {"$2a$", 53, 3},
    {"$2b$", 53, 3}, {"$2y$", 53, 3}, {"$6$", 86, 3},
};

bool users_is_name(const char *name)
{
    return value_is_name(name) && strpbrk(name, " \t\":#") == NULL;
}

/* Bcrypt's cost is two digits, 04 to 31: see crypt(5). crypt_checksalt looks at the kind alone. */
static bool has_sane_cost(const char *hash)
{
    if (hash[1] != '2')
        return true;
    const char *cost = hash + 4;
    return cost[0] >= '0' && cost[0] <= '3' && cost[1] >= '0' && cost[1] <= '9' &&
           cost[2] == '$' && strncmp(cost, "04", 2) >= 0 && strncmp(cost, "31", 2) <= 0;
}

bool users_is_hash(const char *hash, struct text *why)
{
    static const char letters[] =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const struct method *method = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strncmp(hash, methods[i].prefix, strlen(methods[i].prefix)) == 0)
            method = &methods[i];
    if (method == NULL) {
        text_add(why, "a password is kept as a hash by " USERS_METHODS
                      ", as gaidarosctl hash makes it");
        return false;
    }
    size_t dollars = 0;
    for (const char *c = hash; *c != '\0'; c++)
        dollars += *c == '$';
    const char *digest = strrchr(hash, '$') + 1;
    if (dollars < method->dollars || strspn(digest, letters) != method->digest ||
        digest[method->digest] != '\0' || strpbrk(hash, " \t:;*!\\") != NULL) {
        text_add(why, "the hash is not whole: gaidarosctl hash makes one");
        return false;
    }
    if (crypt_checksalt(hash) != CRYPT_SALT_OK || !has_sane_cost(hash)) {
        text_add(why, "the hash is of a kind or at a cost that this system does not compute: "
                      "gaidarosctl hash makes one that it does");
        return false;
    }
    return true;
}

/* Name, hash, access. The words live in the arena. */
static bool take_user(const struct quotes_words *words, struct model_user *out,
                      struct text *why)
{
    if (words->n != 3) {
        text_add(why, "needs a name, a hash, and full or readonly");
        return false;
    }
    *out = (struct model_user){.name = words->at[0], .hash = words->at[1]};
    out->is_full = strcmp(words->at[2], "full") == 0;
    if (!users_is_name(out->name))
        text_add(why,
                 "a user's name is one word of up to 49 bytes, without quotes, ':' and '#'");
    else if (!out->is_full && strcmp(words->at[2], "readonly") != 0)
        text_printf(why, "\"%.80s\" must be one of full readonly", words->at[2]);
    else
        return users_is_hash(out->hash, why);
    return false;
}

static bool parse_user(struct value_context *context, const char *value, void *field)
{
    struct quotes_words words;
    context->n_elements = 1;
    return value_split(context, value, &words) && take_user(&words, field, context->why);
}

static void print_user(struct text *out, const struct model *model, const struct directive *row,
                       const void *field)
{
    (void)model;
    (void)row;
    const struct model_user *user = field;
    quotes_add_word(out, user->name);
    text_add(out, " ");
    quotes_add_word(out, user->hash);
    text_add(out, user->is_full ? " full" : " readonly");
}

/* ---- the file ---- */

/* One line of it; a blank or a comment is none. False with a sentence. */
static bool take_line(struct value_context *context, const char *line, size_t length,
                      struct model_users_file *out)
{
    struct quotes_words words;
    const char *copy = arena_copy(context->arena, line, length);
    if (copy == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    copy += strspn(copy, " \t");
    if (*copy == '\0' || *copy == '#' || *copy == ';')
        return true;
    return value_split(context, copy, &words) &&
           take_user(&words, &out->users[out->n++], context->why);
}

static size_t count_lines(const struct model_file *file)
{
    size_t n = 1;
    for (size_t i = 0; i < file->length; i++)
        n += file->bytes[i] == '\n';
    return n;
}

static bool take_lines(struct value_context *context, struct model_users_file *out)
{
    const char *at = (const char *)out->file.bytes, *end = at + out->file.length;
    out->users = arena_take_array(context->arena, count_lines(&out->file), sizeof *out->users);
    if (out->users == NULL) {
        text_add(context->why, "out of memory");
        return false;
    }
    for (size_t number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        size_t length = (size_t)(stop - at), before = context->why->length;
        if (length > 0 && at[length - 1] == '\r')
            length--;
        bool is_fine = memchr(at, '\0', length) == NULL && take_line(context, at, length, out);
        if (!is_fine) {
            char *sentence = strdup(context->why->at != NULL ? context->why->at + before : "");
            text_clear(context->why);
            text_printf(context->why, "%s:%zu: %s", out->file.path, number,
                        sentence != NULL && *sentence != '\0' ? sentence : "holds a NUL byte");
            free(sentence);
            return false;
        }
        at = newline != NULL ? newline + 1 : end;
    }
    return true;
}

static bool parse_users_file(struct value_context *context, const char *value, void *field)
{
    struct model_users_file file = {.file.path = ""};
    const char *path, *why = NULL;
    if (!quotes_unwrap(context->arena, value, &path, &why)) {
        text_add(context->why, why);
        return false;
    }
    if (path[0] != '\0' &&
        (!attached_take_secret(context, path, USERS_FILE_MOST_BYTES, &file.file) ||
         !take_lines(context, &file)))
        return false;
    memcpy(field, &file, sizeof file);
    return true;
}

static void print_users_file(struct text *out, const struct model *model,
                             const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_users_file *file = field;
    quotes_add_text(out, file->file.path);
}

const struct value_kind value_user = {.noun = "name hash full | readonly",
                                      .form = "a name, a hash, and full or readonly",
                                      .is_words = true,
                                      .parse = parse_user,
                                      .print = print_user};
const struct value_kind value_users_file = {
    .noun = "path", .form = "a path", .parse = parse_users_file, .print = print_users_file};
