/* SPDX-License-Identifier: MIT */
/* The same configuration with other addresses for its names. */
#include "conf/renew.h"

#include "conf/copy.h"

struct model *conf_renew(const struct model *model, const struct addresses *addresses,
                         struct problems *problems)
{
    return store_assemble_copy(store_copy(model->store, addresses), problems);
}
