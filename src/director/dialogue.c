/* SPDX-License-Identifier: MIT */
/* A check's "send ... expect ..." against what the host says: pure, no sockets. */
#include "director/dialogue.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { SHOWN_MOST = 26 }; /* characters of a text in a reason */

void dialogue_init(struct dialogue *dialogue, const struct model_step *steps, size_t n)
{
    dialogue->steps = steps;
    dialogue->n = n;
    dialogue->at = 0;
    dialogue->found = 0;
    dialogue->searched = 0;
    dialogue->length = 0;
}

static bool ends_with(const struct dialogue *dialogue, size_t end,
                      const struct model_text *text)
{
    return text->length <= end - dialogue->found &&
           (text->length == 0 ||
            memcmp(dialogue->heard + end - text->length, text->bytes, text->length) == 0);
}

static bool ends_with_any(const struct dialogue *dialogue, size_t end,
                          const struct model_step *step)
{
    for (size_t i = 0; i < step->n_texts; i++)
        if (ends_with(dialogue, end, &step->texts[i]))
            return true;
    return false;
}

/*
 * End by end, so that the result does not depend on how the bytes came: whichever text ends first.
 * Every end is asked for once in a step.
 */
static bool find(struct dialogue *dialogue, const struct model_step *step)
{
    for (size_t end = dialogue->searched; end <= dialogue->length; end++) {
        if (ends_with_any(dialogue, end, step)) {
            dialogue->found = end;
            dialogue->searched = end;
            return true;
        }
    }
    dialogue->searched = dialogue->length + 1;
    return false;
}

enum dialogue_state dialogue_state(struct dialogue *dialogue)
{
    while (dialogue->at < dialogue->n) {
        const struct model_step *step = &dialogue->steps[dialogue->at];
        if (!step->is_expect)
            return DIALOGUE_SENDS;
        if (!find(dialogue, step))
            return dialogue->length < DIALOGUE_BYTES ? DIALOGUE_EXPECTS : DIALOGUE_FULL;
        dialogue->at++;
    }
    return DIALOGUE_DONE;
}

const struct model_text *dialogue_sends(const struct dialogue *dialogue)
{
    assert(dialogue->at < dialogue->n && !dialogue->steps[dialogue->at].is_expect);
    return &dialogue->steps[dialogue->at].texts[0];
}

void dialogue_sent(struct dialogue *dialogue)
{
    assert(dialogue->at < dialogue->n && !dialogue->steps[dialogue->at].is_expect);
    dialogue->at++;
}

void dialogue_hear(struct dialogue *dialogue, const void *bytes, size_t length)
{
    size_t room = DIALOGUE_BYTES - dialogue->length;
    size_t taken = length < room ? length : room;
    if (taken > 0)
        memcpy(dialogue->heard + dialogue->length, bytes, taken);
    dialogue->length += taken;
}

static void add_byte(struct text *out, unsigned char byte)
{
    if (byte == '\r')
        text_add(out, "\\r");
    else if (byte == '\n')
        text_add(out, "\\n");
    else if (byte == '"' || byte == '\\')
        text_printf(out, "\\%c", byte);
    else if (byte < 0x20 || byte > 0x7e)
        text_printf(out, "\\x%02x", byte);
    else
        text_printf(out, "%c", byte);
}

static void add_quoted(struct text *out, const unsigned char *bytes, size_t length)
{
    size_t i = 0;
    text_add(out, "\"");
    for (size_t begin = out->length; i < length && out->length - begin < SHOWN_MOST; i++)
        add_byte(out, bytes[i]);
    text_add(out, i < length ? "\xe2\x80\xa6\"" : "\""); /* an ellipsis */
}

void dialogue_explain(const struct dialogue *dialogue, struct text *out)
{
    size_t left = dialogue->length - dialogue->found;
    if (dialogue->at < dialogue->n && dialogue->steps[dialogue->at].is_expect) {
        const struct model_step *step = &dialogue->steps[dialogue->at];
        text_add(out, "expected ");
        add_quoted(out, step->texts[0].bytes, step->texts[0].length);
        text_add(out, step->n_texts > 1 ? " or other, " : ", ");
    }
    text_add(out, "got ");
    if (left == 0)
        text_add(out, "nothing");
    else
        add_quoted(out, dialogue->heard + dialogue->found, left);
}
