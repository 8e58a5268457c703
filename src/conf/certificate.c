/* SPDX-License-Identifier: MIT */
/* The values that name a certificate with its private key. */
#include "conf/certificate.h"

#include <string.h>

#include "conf/attached.h"

#define CERTIFICATE_MOST_BYTES ((size_t)64 << 10)

/* web.key beside web.pem. NULL when memory is out. */
static const char *key_beside(struct arena *arena, const char *path)
{
    static const char ending[] = ".key";
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t length =
        dot != NULL && (slash == NULL || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);
    char *beside = arena_take(arena, length + sizeof ending);
    if (beside != NULL) {
        memcpy(beside, path, length);
        memcpy(beside + length, ending, sizeof ending);
    }
    return beside;
}

static bool take_key(struct value_context *context, struct model_certificate *certificate)
{
    const char *path = certificate->chain.path, *beside = key_beside(context->arena, path);
    if (beside == NULL)
        text_add(context->why, "out of memory");
    else if (strcmp(beside, path) == 0)
        text_printf(context->why, "%s holds no private key", path);
    else if (!attached_take_key(context, beside, CERTIFICATE_MOST_BYTES, &certificate->key))
        text_printf(context->why, " (%s holds no private key)", path);
    else
        return true;
    return false;
}

static bool parse(struct value_context *context, const char *value, void *field)
{
    struct model_certificate certificate = {.chain.path = "", .key.path = ""};
    const char *path, *why = NULL;
    bool has_key;
    if (!quotes_unwrap(context->arena, value, &path, &why)) {
        text_add(context->why, why);
        return false;
    }
    if (path[0] != '\0') {
        if (!attached_take_pair(context, path, CERTIFICATE_MOST_BYTES, &certificate.chain,
                                &has_key))
            return false;
        if (has_key)
            certificate.key = certificate.chain;
        else if (!take_key(context, &certificate))
            return false;
    }
    memcpy(field, &certificate, sizeof certificate);
    return true;
}

static void print(struct text *out, const struct model *model, const struct directive *row,
                  const void *field)
{
    (void)model;
    (void)row;
    const struct model_certificate *certificate = field;
    quotes_add_text(out, certificate->chain.path);
}

const struct value_kind value_certificate = {
    .noun = "path", .form = "a path", .parse = parse, .print = print};
