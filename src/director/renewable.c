/* SPDX-License-Identifier: MIT */
/* One list or staple that is to be had, and what is known of it. */
#include "director/renewable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/fetched.h"

void renewable_free(struct renewable *item)
{
    list_remove(&item->node);
    text_fini(&item->trust);
    text_fini(&item->bytes);
    free(item->name);
    free(item);
}

struct renewable *renewable_find(const struct list_node *all, enum renewable_kind kind,
                                 const char *of)
{
    LIST_FOREACH(node, all) {
        struct renewable *item = container_of(node, struct renewable, node);
        if (item->kind == kind && strcmp(item->of, of) == 0)
            return item;
    }
    return NULL;
}

struct renewable *renewable_have(struct list_node *all, enum renewable_kind kind,
                                 const char *of)
{
    const char *word = kind == RENEWABLE_CRL ? FETCHED_CRL : FETCHED_STAPLE;
    struct renewable *item = renewable_find(all, kind, of);
    if (item != NULL)
        return item;
    item = calloc(1, sizeof *item);
    if (item == NULL || asprintf(&item->name, "%s%s", word, of) < 0) {
        free(item);
        return NULL;
    }
    item->kind = kind;
    item->of = item->name + strlen(word);
    list_append(all, &item->node);
    return item;
}
