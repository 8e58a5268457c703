/* SPDX-License-Identifier: MIT */
/* A configuration with what was set at run time laid over it. */
#include "conf/overlay.h"

#include <inttypes.h>
#include <string.h>

#include "conf/copy.h"
#include "conf/directives.h"
#include "conf/quotes.h"
#include "conf/store.h"

static const char *state_word(enum host_setting state)
{
    static const char *const words[] = {
        [HOST_SET_UP] = "up", [HOST_SET_DRAIN] = "drain", [HOST_SET_DOWN] = "down"};
    return words[state];
}

static bool is_option(const char *word, const char *name)
{
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && word[length] == '=';
}

/* The host's line with another state and weight, its other words as they were. */
static bool rewrite_line(struct conf_store *store, struct conf_line *line,
                         const struct model_host *host, const struct overlay_host *now)
{
    struct quotes_words words;
    const char *why;
    struct text value = {0};
    bool has_state = now->state != host->state, has_weight = now->weight != host->weight;
    if (!quotes_split(&store->arena, line->value, &words, &why))
        return false;
    for (size_t i = 0; i < words.n; i++) {
        if (i > 1 && ((has_state && is_option(words.at[i], "state")) ||
                      (has_weight && is_option(words.at[i], "weight"))))
            continue;
        text_append(&value, " ", i > 0);
        quotes_add_word(&value, words.at[i]);
    }
    if (has_weight)
        text_printf(&value, " weight=%" PRIu32, now->weight);
    /* "up" is what a line without a word means. */
    if (has_state && now->state != HOST_SET_UP)
        text_printf(&value, " state=%s", state_word(now->state));
    if (!value.failed)
        line->value = arena_copy(&store->arena, value.at, value.length);
    bool is_done = !value.failed && line->value != NULL;
    text_fini(&value);
    return is_done;
}

static bool is_same(const struct overlay_host *a, const struct overlay_host *b)
{
    return a->state == b->state && a->weight == b->weight;
}

/* The group's lines; hosts: of this group. */
static bool lay_over_hosts(struct conf_store *store, const struct model_group *group,
                           const struct overlay_host *hosts)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_GROUP, model_group, hosts);
    const struct conf_section *section = store_find_section(store, SECTION_GROUP, group->name);
    struct conf_line *line = section->first;
    for (size_t i = 0, n; i < group->n_hosts; i += n) {
        const struct model_host *host = &group->hosts[i];
        bool do_agree = true;
        for (n = 1; i + n < group->n_hosts && group->hosts[i + n].line == host->line; n++)
            do_agree &= is_same(&hosts[i], &hosts[i + n]);
        while (line != NULL && line->row != row)
            line = line->next;
        if (line == NULL)
            return false;
        bool is_changed = hosts[i].state != host->state || hosts[i].weight != host->weight;
        if (do_agree && is_changed && !rewrite_line(store, line, host, &hosts[i]))
            return false;
        line = line->next;
    }
    return true;
}

/* `group` and its place in `standby` change their words. */
static bool swap_groups(struct conf_store *store, const struct model *model,
                        const struct model_service *service, uint32_t place)
{
    const struct directive *group = DIRECTIVE_OF(SECTION_SERVICE, model_service, group);
    const struct directive *standby = DIRECTIVE_OF(SECTION_SERVICE, model_service, standby);
    struct text first = {0}, others = {0};
    quotes_add_word(&first, model->groups[service->standby[place - 1]].name);
    for (uint32_t i = 0; i < service->n_standby; i++) {
        text_append(&others, " ", i > 0);
        size_t index = i + 1 == place ? service->group : service->standby[i];
        quotes_add_word(&others, model->groups[index].name);
    }
    bool is_fine = !first.failed && !others.failed;
    struct conf_section *section = store_find_section(store, SECTION_SERVICE, service->name);
    for (struct conf_line *line = section->first; is_fine && line != NULL; line = line->next) {
        const struct text *value = line->row == group     ? &first
                                   : line->row == standby ? &others
                                                          : NULL;
        if (value == NULL)
            continue;
        line->value = arena_copy(&store->arena, value->at, value->length);
        is_fine = line->value != NULL;
    }
    text_fini(&first);
    text_fini(&others);
    return is_fine;
}

struct model *conf_overlay(const struct model *model, const struct overlay_host *hosts,
                           const uint32_t *in_force, struct problems *problems)
{
    struct conf_store *store = store_copy(model->store, &model->store->addresses);
    bool is_done = store != NULL;
    for (size_t i = 0; is_done && i < model->n_groups; i++)
        is_done = lay_over_hosts(store, &model->groups[i], hosts + model->groups[i].first_host);
    for (size_t i = 0; is_done && i < model->n_services; i++)
        if (in_force[i] > 0 && in_force[i] <= model->services[i].n_standby)
            is_done = swap_groups(store, model, &model->services[i], in_force[i]);
    if (!is_done) {
        store_free(store);
        store = NULL;
    }
    return store_assemble_copy(store, problems);
}
