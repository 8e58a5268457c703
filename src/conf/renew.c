/* SPDX-License-Identifier: MIT */
/* The same configuration with other addresses for its names, and with files that have changed. */
#include "conf/renew.h"

#include <string.h>

#include "conf/copy.h"

/* So that they are read when their lines are met. */
static void drop_changed(struct conf_store *store)
{
    struct conf_file **at = &store->files;
    while (*at != NULL) {
        struct conf_file *file = *at;
        if (!file->is_changed) {
            at = &file->next;
            continue;
        }
        if (file->key_for != 0)
            explicit_bzero(file->bytes, file->file.length);
        *at = file->next;
        store->may_read = true;
    }
}

struct model *conf_renew(const struct model *model, const struct addresses *addresses,
                         struct problems *problems)
{
    struct conf_store *store = store_copy(model->store, addresses);
    if (store != NULL)
        drop_changed(store);
    return store_assemble_copy(store, problems);
}
