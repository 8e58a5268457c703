/* SPDX-License-Identifier: MIT */
/* From lines to a model: defaults, values, references within the file. */
#include "conf/assemble.h"

#include <assert.h>
#include <string.h>

#include "conf/directives.h"
#include "conf/expand.h"
#include "conf/names.h"
#include "conf/quotes.h"

#define SECTION_LISTS 8 /* most keys of a section that repeat */

struct assembly {
    struct conf_store *store;
    struct model *model;
    struct problems *problems;
    struct names groups;
    struct text why;
    /* Each section starts as a copy of one in which every key has its default. */
    struct model_global global;
    struct model_admin admin;
    struct model_service service;
    struct model_group group;
};

static size_t section_bytes(enum section_kind kind)
{
    static const size_t bytes[SECTION_KINDS] = {
        sizeof(struct model_global), sizeof(struct model_admin), sizeof(struct model_service),
        sizeof(struct model_group)};
    return bytes[kind];
}

static void *section_template(struct assembly *assembly, enum section_kind kind)
{
    void *const templates[SECTION_KINDS] = {&assembly->global, &assembly->admin,
                                            &assembly->service, &assembly->group};
    return templates[kind];
}

static struct value_context make_context(struct assembly *assembly, const struct directive *row,
                                         const struct origin *origin)
{
    text_clear(&assembly->why);
    return (struct value_context){.arena = &assembly->store->arena,
                                  .store = assembly->store,
                                  .n_elements = 1,
                                  .folder = assembly->store->folder,
                                  .row = row,
                                  .origin = *origin,
                                  .model = assembly->model,
                                  .groups = &assembly->groups,
                                  .may_suggest =
                                      assembly->problems->n_errors < PROBLEMS_SUGGEST_MOST,
                                  .why = &assembly->why};
}

/* Returns false when memory ran out: a default is right by the table's test. */
static bool make_templates(struct assembly *assembly)
{
    size_t n;
    const struct directive *rows = directives_all(&n);
    const struct origin nowhere = {0};
    for (size_t i = 0; i < n; i++) {
        const struct directive *row = &rows[i];
        if (row->bytes == 0 || row->repeats || row->def == NULL)
            continue;
        /* Without a file there are no run-time files but those that are named. */
        bool is_none = row->may_be_empty && !assembly->store->has_file;
        struct value_context context = make_context(assembly, row, &nowhere);
        unsigned char *base = section_template(assembly, row->section);
        if (!row->kind->parse(&context, is_none ? "" : row->def, base + row->offset))
            return false;
    }
    assembly->service.group = MODEL_NO_GROUP;
    return true;
}

/* ---- one line ---- */

static bool is_empty(const char *value)
{
    return value[0] == '\0' || strcmp(value, "\"\"") == 0;
}

/* True when a value says the same as the row's default. */
static bool is_default(struct value_context *context, const char *value, bool *is_bad)
{
    const struct directive *row = context->row;
    const char *why = NULL;
    struct quotes_words given, usual;
    int64_t number, usual_number;
    *is_bad = false;
    if (!quotes_split(context->arena, value, &given, &why) ||
        !quotes_split(context->arena, row->def, &usual, &why)) {
        text_add(context->why, why);
        *is_bad = true;
        return false;
    }
    if (row->kind->number != NULL && given.n == 1) {
        if (row->kind->number(given.at[0], &number) != 0) {
            text_printf(context->why, "\"%.80s\" is not %s", given.at[0], row->kind->form);
            *is_bad = true;
            return false;
        }
        return row->kind->number(row->def, &usual_number) == 0 && number == usual_number;
    }
    if (given.n != usual.n)
        return false;
    for (size_t i = 0; i < given.n; i++)
        if (strcmp(given.at[i], usual.at[i]) != 0)
            return false;
    return true;
}

/*
 * Parses one value into field; false with the sentence in assembly->why.
 * n_elements  of a row that repeats, how many the value was
 */
static bool parse_line(struct assembly *assembly, const struct conf_line *line, void *field,
                       size_t *n_elements)
{
    const struct directive *row = line->row;
    struct value_context context = make_context(assembly, row, &line->origin);
    bool may_be_empty = row->may_be_empty || (row->def != NULL && row->def[0] == '\0');
    *n_elements = 0;
    if (is_empty(line->value) && !may_be_empty) {
        text_add(&assembly->why, "needs a value");
        return false;
    }
    if (is_empty(line->value) && row->repeats && row->bytes > 0)
        return true; /* none */
    if (row->is_later) {
        bool is_bad;
        if (is_default(&context, line->value, &is_bad))
            return true;
        if (!is_bad)
            text_add(&assembly->why, "not yet supported");
        return false;
    }
    bool is_right = row->kind->parse(&context, line->value, field);
    *n_elements = context.n_elements;
    return is_right;
}

static void refuse_line(struct assembly *assembly, const struct conf_section *section,
                        const struct conf_line *line)
{
    problems_add(assembly->problems, &line->origin, section->title, line->row->key, "%s",
                 assembly->why.at != NULL ? assembly->why.at : "out of memory");
}

static void refuse_repeated(struct assembly *assembly, const struct conf_section *section,
                            const struct conf_line *line)
{
    const struct conf_line *first = section->first;
    while (first->row != line->row)
        first = first->next;
    char where[ORIGIN_TEXT_BYTES];
    problems_add(assembly->problems, &line->origin, section->title, line->row->key,
                 "given twice, first at %s", origin_print(where, &first->origin));
}

/* ---- one section ---- */

/* A key that repeats. */
struct list {
    const struct directive *row;
    unsigned char *elements;
    size_t n, most;
};

struct lists {
    struct list at[SECTION_LISTS];
    size_t n;
};

static struct list *lists_find(struct lists *lists, const struct directive *row)
{
    struct list *list = lists->at;
    while (list < lists->at + lists->n && list->row != row)
        list++;
    if (list == lists->at + lists->n) {
        assert(lists->n < SECTION_LISTS);
        list->row = row;
        lists->n++;
    }
    return list;
}

/* Room for all elements of the section's lists. */
static bool lists_make(struct assembly *assembly, const struct conf_section *section,
                       struct lists *lists)
{
    *lists = (struct lists){0};
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        if (line->row->repeats && line->row->bytes > 0)
            lists_find(lists, line->row)->most +=
                line->row->kind->most != NULL ? line->row->kind->most(line->value) : 1;
    for (size_t i = 0; i < lists->n; i++) {
        struct list *list = &lists->at[i];
        list->elements =
            arena_take_array(&assembly->store->arena, list->most, list->row->bytes);
        if (list->elements == NULL)
            return false;
    }
    return true;
}

static void lists_store(const struct lists *lists, unsigned char *base)
{
    for (size_t i = 0; i < lists->n; i++) {
        const struct list *list = &lists->at[i];
        void *elements = list->elements;
        memcpy(base + list->row->offset, &elements, sizeof elements);
        memcpy(base + list->row->count_offset, &list->n, sizeof list->n);
    }
}

/* Fills the section's field or list from one line. */
static void assemble_line(struct assembly *assembly, const struct conf_section *section,
                          const struct conf_line *line, struct lists *lists,
                          unsigned char *base)
{
    const struct directive *row = line->row;
    struct list *list = row->repeats && row->bytes > 0 ? lists_find(lists, row) : NULL;
    size_t n;
    void *field = list != NULL ? list->elements + list->n * row->bytes : base + row->offset;
    if (!parse_line(assembly, line, field, &n))
        refuse_line(assembly, section, line);
    else if (list != NULL && !line->is_overridden)
        list->n += n;
    assert(list == NULL || list->n <= list->most);
}

/* Fills the section's struct at base from its lines. */
static bool assemble_section(struct assembly *assembly, const struct conf_section *section,
                             unsigned char *base)
{
    struct directive_set given = {0}, overridden = {0};
    struct lists lists;
    if (!lists_make(assembly, section, &lists))
        return false;
    for (const struct conf_line *line = section->first; line != NULL; line = line->next) {
        const struct directive *row = line->row;
        bool is_new = directives_add(line->is_overridden ? &overridden : &given, row);
        if (!is_new && !row->repeats)
            refuse_repeated(assembly, section, line);
        assemble_line(assembly, section, line, &lists, base);
    }
    lists_store(&lists, base);
    size_t n;
    const struct directive *rows = directives_all(&n);
    for (size_t i = 0; i < n && !section->is_duplicate; i++)
        if (rows[i].section == section->kind && rows[i].is_required &&
            !(section->kind == SECTION_GROUP && assembly->store->is_edited) &&
            directives_add(&given, &rows[i]))
            problems_add(assembly->problems, &section->origin, section->title, rows[i].key,
                         "is missing");
    return true;
}

/* Where a section of the model lies; duplicates get a place that nobody looks at. */
static unsigned char *section_place(struct assembly *assembly,
                                    const struct conf_section *section, size_t *service,
                                    size_t *group)
{
    struct model *model = assembly->model;
    unsigned char *base = NULL;
    if (section->is_duplicate)
        base = arena_take(&assembly->store->arena, section_bytes(section->kind));
    else if (section->kind == SECTION_GLOBAL)
        base = (unsigned char *)&model->global;
    else if (section->kind == SECTION_ADMIN)
        base = (unsigned char *)&model->admin;
    else if (section->kind == SECTION_SERVICE)
        base = (unsigned char *)&model->services[(*service)++];
    else
        base = (unsigned char *)&model->groups[(*group)++];
    if (base != NULL)
        memcpy(base, section_template(assembly, section->kind), section_bytes(section->kind));
    return base;
}

/* ---- the model ---- */

/* Counts and allocates; groups get their names, so that services find them. */
static bool make_room(struct assembly *assembly)
{
    struct model *model = assembly->model;
    struct arena *arena = &assembly->store->arena;
    for (const struct conf_section *section = assembly->store->first; section != NULL;
         section = section->next) {
        if (section->is_duplicate)
            continue;
        model->n_services += section->kind == SECTION_SERVICE;
        model->n_groups += section->kind == SECTION_GROUP;
    }
    model->services = arena_take_array(arena, model->n_services, sizeof *model->services);
    model->groups = arena_take_array(arena, model->n_groups, sizeof *model->groups);
    if (model->services == NULL || model->groups == NULL)
        return false;
    size_t n = 0, existing;
    for (const struct conf_section *section = assembly->store->first; section != NULL;
         section = section->next) {
        if (section->kind != SECTION_GROUP || section->is_duplicate)
            continue;
        model->groups[n].name = section->name;
        if (names_put(&assembly->groups, 0, section->name, strlen(section->name), n,
                      &existing) != 0)
            return false;
        n++;
    }
    return true;
}

static bool assemble_sections(struct assembly *assembly)
{
    size_t service = 0, group = 0;
    struct model *model = assembly->model;
    for (const struct conf_section *section = assembly->store->first; section != NULL;
         section = section->next) {
        bool is_service = section->kind == SECTION_SERVICE && !section->is_duplicate;
        bool is_group = section->kind == SECTION_GROUP && !section->is_duplicate;
        unsigned char *base = section_place(assembly, section, &service, &group);
        if (base == NULL)
            return false;
        if (is_service) {
            model->services[service - 1].name = section->name;
            model->services[service - 1].origin = section->origin;
        }
        if (is_group) {
            model->groups[group - 1].name = section->name;
            model->groups[group - 1].origin = section->origin;
        }
        if (!assemble_section(assembly, section, base))
            return false;
    }
    return true;
}

/* The place of a group; one that has none yet gets the next. */
static size_t give_place(struct model_service *service, size_t group)
{
    size_t place = 0;
    while (place < service->n_places && service->places[place] != group)
        place++;
    if (place == service->n_places)
        service->places[service->n_places++] = group;
    return place;
}

static bool list_places(struct conf_store *store, struct model *model)
{
    for (size_t i = 0; i < model->n_services; i++) {
        struct model_service *service = &model->services[i];
        size_t most = 1 + service->n_standby + service->n_routes;
        service->places = arena_take_array(&store->arena, most, sizeof *service->places);
        if (service->places == NULL)
            return false;
        service->places[service->n_places++] = service->group;
        for (size_t k = 0; k < service->n_standby; k++)
            service->places[service->n_places++] = service->standby[k];
        for (size_t k = 0; k < service->n_routes; k++)
            service->routes[k].place = give_place(service, service->routes[k].group);
    }
    return true;
}

static void number_parts(struct model *model)
{
    for (size_t i = 0; i < model->n_groups; i++) {
        model->groups[i].first_host = model->n_hosts;
        model->n_hosts += model->groups[i].n_hosts;
    }
    for (size_t i = 0; i < model->n_services; i++) {
        model->services[i].first_listen = model->n_listens;
        model->n_listens += model->services[i].n_listens;
    }
}

/* Whoever names a place means it, also the one that is the default: it is used or is an error. */
static bool is_own(const struct conf_store *store, const struct directive *row,
                   const char *path)
{
    const struct conf_section *global = store_find_section(store, SECTION_GLOBAL, "");
    assert(path != NULL); /* the template has one */
    return store_find_line(global, row) != NULL && path[0] != '\0';
}

struct model *model_assemble(struct conf_store *store, struct problems *problems)
{
    struct model *model = arena_take(&store->arena, sizeof *model);
    struct assembly assembly = {.store = store, .model = model, .problems = problems};
    bool is_done = model != NULL && make_room(&assembly) && make_templates(&assembly);
    if (is_done) {
        model->path = store->path;
        model->folder = store->folder;
        model->store = store;
        model->global = assembly.global;
        model->admin = assembly.admin;
        is_done = assemble_sections(&assembly) && list_places(store, model) &&
                  expand_names(store, model);
    }
    if (is_done) {
        struct model_global *global = &model->global;
        number_parts(model);
        global->has_own_pidfile =
            is_own(store, DIRECTIVE_OF(SECTION_GLOBAL, model_global, pidfile), global->pidfile);
        global->has_own_control =
            is_own(store, DIRECTIVE_OF(SECTION_GLOBAL, model_global, control), global->control);
    } else {
        problems_add(problems, NULL, NULL, NULL, "out of memory");
    }
    names_fini(&assembly.groups);
    text_fini(&assembly.why);
    return is_done ? model : NULL;
}
