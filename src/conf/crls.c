/* SPDX-License-Identifier: MIT */
/* The value that says where a list of revoked certificates comes from. */
#include "conf/crls.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "conf/attached.h"

static const char web[] = "http://", secure_web[] = "https://";

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool parse_url(struct value_context *context, const char *url, struct model_crl *crl)
{
    size_t length = strlen(url);
    if (length == sizeof web - 1 || length > MODEL_URL_MOST || strpbrk(url, " \t") != NULL) {
        text_printf(context->why, "\"%.*s\": no URL of at most %d bytes", VALUE_SHOWN_BYTES,
                    url, MODEL_URL_MOST);
        return false;
    }
    crl->source = CRL_URL;
    crl->text = url;
    return true;
}

static bool parse(struct value_context *context, const char *value, void *field)
{
    struct model_crl crl = {.source = CRL_AUTO, .text = "auto", .file.path = ""};
    const char *text;
    bool is_fine = true;
    if (!value_take_printable(context, value, PATH_MAX - 1, &text))
        return false;
    if (begins(text, secure_web)) {
        text_add(context->why,
                 "lists are fetched by http:// alone: they are signed themselves");
        return false;
    }
    if (begins(text, web)) {
        is_fine = parse_url(context, text, &crl);
    } else if (strcmp(text, crl.text) != 0) {
        crl.source = CRL_FILE;
        is_fine = attached_take_watched(context, text, CRL_MOST_BYTES, &crl.file);
        crl.text = crl.file.path;
    }
    if (is_fine)
        memcpy(field, &crl, sizeof crl);
    return is_fine;
}

static void print(struct text *out, const struct model *model, const struct directive *row,
                  const void *field)
{
    (void)model;
    (void)row;
    const struct model_crl *crl = field;
    quotes_add_text(out, crl->text);
}

const struct value_kind value_crl = {.noun = "file, URL or auto",
                                     .form = "a path, an http:// URL or the word auto",
                                     .parse = parse,
                                     .print = print};
