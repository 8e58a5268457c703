/* SPDX-License-Identifier: MIT */
/* The values that say where it is known from whether certificates were revoked. */
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

static bool is_url(struct value_context *context, const char *url)
{
    size_t length = strlen(url);
    if (length == sizeof web - 1 || length > MODEL_URL_MOST || strpbrk(url, " \t") != NULL) {
        text_printf(context->why, "\"%.*s\": no URL of at most %d bytes", VALUE_SHOWN_BYTES,
                    url, MODEL_URL_MOST);
        return false;
    }
    return true;
}

static bool is_secure(struct value_context *context, const char *text, const char *what)
{
    if (!begins(text, secure_web))
        return false;
    text_printf(context->why, "%s by http:// alone: they are signed themselves", what);
    return true;
}

/* ---- client_crl ---- */

static bool parse(struct value_context *context, const char *value, void *field)
{
    struct model_crl crl = {.source = CRL_AUTO, .text = "auto", .file.path = ""};
    const char *text;
    bool is_fine = true;
    if (!value_take_printable(context, value, PATH_MAX - 1, &text))
        return false;
    if (is_secure(context, text, "lists are fetched"))
        return false;
    if (begins(text, web)) {
        is_fine = is_url(context, text);
        crl.source = CRL_URL;
        crl.text = text;
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

/* ---- client_ocsp ---- */

static bool parse_responder(struct value_context *context, const char *value, void *field)
{
    struct model_responder responder = {.source = OCSP_URL};
    if (!value_take_printable(context, value, PATH_MAX - 1, &responder.text) ||
        is_secure(context, responder.text, "responders are asked"))
        return false;
    if (strcmp(responder.text, "no") == 0)
        responder.source = OCSP_NO;
    else if (strcmp(responder.text, "auto") == 0)
        responder.source = OCSP_AUTO;
    else if (!begins(responder.text, web))
        return value_refuse_word(context, responder.text,
                                 "neither no nor auto nor an http:// URL");
    else if (!is_url(context, responder.text))
        return false;
    memcpy(field, &responder, sizeof responder);
    return true;
}

static void print_responder(struct text *out, const struct model *model,
                            const struct directive *row, const void *field)
{
    (void)model;
    (void)row;
    const struct model_responder *responder = field;
    quotes_add_text(out, responder->text);
}

const struct value_kind value_responder = {.noun = "no, auto or URL",
                                           .form = "no, auto or an http:// URL",
                                           .parse = parse_responder,
                                           .print = print_responder};
