/* SPDX-License-Identifier: MIT */
/* What workers have the director ask OCSP responders: whether certificates that clients have shown still stand. */
#include "share/questions.h"

#include <string.h>

bool questions_put(struct question_place *places, const struct question_text *asked)
{
    size_t url_length = strlen(asked->url);
    if (url_length >= QUESTION_URL_BYTES || asked->length == 0 ||
        asked->length > QUESTION_CHAIN_BYTES)
        return false;
    for (size_t i = 0; i < QUESTIONS_MOST; i++) {
        struct question *question = &places[i].question;
        if (!box_claim(&places[i].box))
            continue;
        question->timeout_ms = asked->timeout_ms;
        question->keep_ms = asked->keep_ms;
        question->length = (uint32_t)asked->length;
        memcpy(question->url, asked->url, url_length + 1);
        memcpy(question->chain, asked->chain, asked->length);
        box_close(&places[i].box);
        return true;
    }
    return false;
}

bool questions_take(struct question_place *places, struct question *out, bool is_periodic)
{
    for (size_t i = 0; i < QUESTIONS_MOST; i++) {
        const struct question *question = &places[i].question;
        if (!box_look(&places[i].box, is_periodic))
            continue;
        uint32_t length = question->length;
        out->length = length < QUESTION_CHAIN_BYTES ? length : QUESTION_CHAIN_BYTES;
        out->timeout_ms = question->timeout_ms;
        out->keep_ms = question->keep_ms;
        memcpy(out->url, question->url, QUESTION_URL_BYTES);
        out->url[QUESTION_URL_BYTES - 1] = '\0';
        memcpy(out->chain, question->chain, out->length);
        box_empty(&places[i].box);
        return true;
    }
    return false;
}
