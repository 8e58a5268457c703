/* SPDX-License-Identifier: MIT */
/* A place in the segment where any process may leave something that one process takes out; whoever writes may die over it. */
#include "share/box.h"

enum { BOX_FREE, BOX_BEGUN, BOX_FULL };
enum { LOOKS_MOST = 3 };

bool box_claim(struct box *box)
{
    uint32_t state = BOX_FREE;
    return atomic_compare_exchange_strong(&box->state, &state, BOX_BEGUN);
}

void box_close(struct box *box)
{
    atomic_store(&box->state, BOX_FULL);
}

bool box_is_full(const struct box *box)
{
    return atomic_load(&box->state) == BOX_FULL;
}

bool box_look(struct box *box, bool is_periodic)
{
    uint32_t state = atomic_load(&box->state);
    if (state == BOX_FULL)
        return true;
    if (state != BOX_FREE && is_periodic && ++box->n_looks >= LOOKS_MOST)
        box_empty(box);
    return false;
}

void box_empty(struct box *box)
{
    box->n_looks = 0;
    atomic_store(&box->state, BOX_FREE);
}
