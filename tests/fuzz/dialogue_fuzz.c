/* SPDX-License-Identifier: MIT */
/* Checks by "send ... expect ...": the same outcome however the answer is cut, and the one that a plain search gives. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "director/dialogue.h"

enum { STEPS = 3, TEXTS = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum dialogue_state go_on(struct dialogue *dialogue)
{
    enum dialogue_state state;
    while ((state = dialogue_state(dialogue)) == DIALOGUE_SENDS)
        dialogue_sent(dialogue);
    return state;
}

static enum dialogue_state hear(struct dialogue *dialogue, const struct model_step *steps,
                                const uint8_t *answer, size_t length, size_t piece)
{
    dialogue_init(dialogue, steps, STEPS);
    enum dialogue_state state = go_on(dialogue);
    for (size_t at = 0; at < length; at += piece) {
        dialogue_hear(dialogue, answer + at, piece < length - at ? piece : length - at);
        state = go_on(dialogue);
    }
    struct text words = {0};
    dialogue_explain(dialogue, &words);
    assert(words.failed || words.length < 96);
    text_fini(&words);
    return state;
}

/* The end of the text that ends first behind from, or SIZE_MAX. */
static size_t search(const struct model_step *step, const uint8_t *answer, size_t from,
                     size_t length)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < step->n_texts; i++) {
        const struct model_text *text = &step->texts[i];
        const uint8_t *found = memmem(answer + from, length - from, text->bytes, text->length);
        if (found != NULL && (size_t)(found - answer) + text->length < first)
            first = (size_t)(found - answer) + text->length;
    }
    return first;
}

/* Whether every expected text comes, as the simplest way of looking finds. */
static bool comes(const struct model_step *steps, const uint8_t *answer, size_t length)
{
    size_t from = 0;
    if (length > DIALOGUE_BYTES)
        length = DIALOGUE_BYTES;
    for (size_t i = 0; i < STEPS && from != SIZE_MAX; i++)
        if (steps[i].is_expect)
            from = search(&steps[i], answer, from, length);
    return from != SIZE_MAX;
}

/* Four bytes tell the lengths of the texts, which come first; the rest is the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dialogue whole, cut;
    struct model_text texts[STEPS][TEXTS];
    size_t at = 4;
    if (size < at)
        return 0;
    for (size_t i = 0; i < STEPS * TEXTS; i++) {
        size_t length = data[i % 4] >> (i / 4 * 4) & 7;
        if (length > size - at)
            length = size - at;
        texts[i / TEXTS][i % TEXTS] = (struct model_text){.bytes = data + at, .length = length};
        at += length;
    }
    const struct model_step steps[STEPS] = {
        {.is_expect = true, .texts = texts[0], .n_texts = TEXTS},
        {.texts = texts[1], .n_texts = 1},
        {.is_expect = true, .texts = texts[2], .n_texts = TEXTS},
    };
    enum dialogue_state one = hear(&whole, steps, data + at, size - at, SIZE_MAX);
    enum dialogue_state other = hear(&cut, steps, data + at, size - at, 1 + data[0] % 9);
    assert(one == other && whole.at == cut.at && whole.found == cut.found);
    assert((one == DIALOGUE_DONE) == comes(steps, data + at, size - at));
    return 0;
}
