/* SPDX-License-Identifier: MIT */
/* The value that lists application protocols. */
#include "conf/protocols.h"

#include <string.h>

/* Source of the wire form: RFC 7301, section 3.1. */
enum { NAME_MOST_BYTES = 255, LIST_MOST_BYTES = 1024 };

static bool add(struct value_context *context, const struct quotes_words *words, size_t i,
                struct text *wire)
{
    const char *word = words->at[i];
    size_t length = strlen(word);
    if (length == 0 || length > NAME_MOST_BYTES)
        return value_refuse_word(context, word, "must be a protocol's name, as h2");
    for (size_t k = 0; k < i; k++)
        if (strcmp(words->at[k], word) == 0)
            return value_refuse_word(context, word, "is named twice");
    const unsigned char before = (unsigned char)length;
    text_append(wire, &before, 1);
    text_append(wire, word, length);
    return true;
}

static bool fill(struct value_context *context, const char *value,
                 const struct quotes_words *words, struct text *wire,
                 struct model_protocols *protocols)
{
    for (size_t i = 0; i < words->n; i++)
        if (!add(context, words, i, wire))
            return false;
    if (wire->length > LIST_MOST_BYTES) {
        text_printf(context->why, "longer than %d bytes", LIST_MOST_BYTES);
        return false;
    }
    protocols->text = arena_copy(context->arena, value, strlen(value));
    protocols->wire = (const unsigned char *)arena_copy(
        context->arena, wire->length > 0 ? wire->at : "", wire->length);
    protocols->wire_length = wire->length;
    if (!wire->failed && protocols->text != NULL && protocols->wire != NULL)
        return true;
    text_add(context->why, "out of memory");
    return false;
}

static bool parse(struct value_context *context, const char *value, void *field)
{
    struct model_protocols protocols = {.text = ""};
    struct quotes_words words;
    struct text wire = {0};
    if (!value_split(context, value, &words))
        return false;
    bool is_fine = fill(context, value, &words, &wire, &protocols);
    text_fini(&wire);
    if (is_fine)
        memcpy(field, &protocols, sizeof protocols);
    return is_fine;
}

static void print(struct text *out, const struct model *model, const struct directive *row,
                  const void *field)
{
    (void)model;
    (void)row;
    const struct model_protocols *protocols = field;
    quotes_add_value(out, protocols->text);
}

const struct value_kind value_protocols = {.noun = "protocol …",
                                           .form = "protocols with blanks between",
                                           .is_words = true,
                                           .parse = parse,
                                           .print = print};
