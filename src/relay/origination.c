/* SPDX-License-Identifier: MIT */
/* A group's TLS with its hosts: from what its configuration says to whom is trusted. */
#include "relay/origination.h"

#include "conf/directives.h"
#include "conf/store.h"
#include "tls/pair.h"
#include "tls/stream.h"

#define ROW(member) DIRECTIVE_OF(SECTION_GROUP, model_group, member)

static bool blame(const struct group_line *line, const struct model *model,
                  const struct directive *row, const char *path, const char *reason,
                  struct problems *problems)
{
    const struct conf_section *section =
        store_find_section(model->store, SECTION_GROUP, line->group.model->name);

    problems_add(problems, store_place(section, row, 0), section->title, row->key, "%s%s%s",
                 path, path[0] != '\0' ? ": " : "", reason);
    return false;
}

bool origination_prepare(struct group_line *line, const struct model *model,
                         struct problems *problems)
{
    const struct model_group *group = line->group.model;
    const struct model_certificate *shown = &group->tls_certificate;
    const struct model_file *ca = &group->tls_ca;
    const struct tls_pair pair = {shown->chain.bytes, shown->key.bytes, shown->chain.length,
                                  shown->key.length};
    char reason[TLS_REASON_BYTES];

    if (group->tls == HOST_TLS_NO)
        return true;
    bool verifies = group->tls == HOST_TLS_VERIFY;
    line->trust = tls_trust_new(verifies ? ca->bytes : NULL, verifies ? ca->length : 0, reason);
    if (line->trust == NULL)
        return blame(line, model, ROW(tls_ca), ca->path, reason, problems);
    if (!tls_stream_prepare(line->trust, shown->chain.path[0] != '\0' ? &pair : NULL, reason))
        return blame(line, model, ROW(tls_certificate), shown->chain.path, reason, problems);
    return true;
}
