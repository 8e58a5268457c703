/* SPDX-License-Identifier: MIT */
/* What the director asks of a worker about its connections: a slate for each slot. */
#include "share/slates.h"

#include <assert.h>
#include <string.h>

#include "share/segment.h"

void slate_ask(const struct segment *segment, uint32_t slot, uint64_t number,
               enum slate_kind kind, uint64_t id)
{
    struct slate *slate = &segment->slates[slot];
    atomic_store(&slate->id, id);
    atomic_store(&slate->kind, (uint32_t)kind);
    atomic_store(&slate->asked, number);
}

void slate_withdraw(const struct segment *segment, uint32_t slot, uint64_t number)
{
    struct slate *slate = &segment->slates[slot];
    atomic_compare_exchange_strong(&slate->asked, &number, atomic_load(&slate->answered));
}

bool slate_take(const struct segment *segment, uint32_t slot, uint64_t number,
                enum slate_verdict *verdict, char text[SLATE_TEXT_BYTES])
{
    const struct slate *slate = &segment->slates[slot];
    if (atomic_load(&slate->answered) != number)
        return false;
    *verdict = (enum slate_verdict)atomic_load(&slate->verdict);
    if (text != NULL) {
        memcpy(text, slate->text, SLATE_TEXT_BYTES);
        text[SLATE_TEXT_BYTES - 1] = '\0';
    }
    return true;
}

bool slate_look(const struct segment *segment, uint32_t slot, struct slate_order *out)
{
    const struct slate *slate = &segment->slates[slot];
    out->number = atomic_load(&slate->asked);
    if (out->number == atomic_load_explicit(&slate->answered, memory_order_relaxed))
        return false;
    out->id = atomic_load(&slate->id);
    out->kind = (enum slate_kind)atomic_load(&slate->kind);
    /* Again: it may have been given up meanwhile, and be half of the next one. That one rings. */
    return atomic_load(&slate->asked) == out->number;
}

void slate_answer(const struct segment *segment, uint32_t slot, const struct slate_order *order,
                  enum slate_verdict verdict, const char *text)
{
    struct slate *slate = &segment->slates[slot];
    size_t length = text != NULL ? strlen(text) : 0;
    assert(length < SLATE_TEXT_BYTES);
    if (length > 0)
        memcpy(slate->text, text, length);
    slate->text[length] = '\0';
    atomic_store(&slate->verdict, (uint32_t)verdict);
    atomic_store(&slate->answered, order->number);
}
