/* SPDX-License-Identifier: MIT */
/*
 * One change to the structure of a configuration, made to a copy.
 *
 * The lines of the copy are changed as a user would change the file, then the whole is assembled and
 * checked as a file is: a value that a file may not have, an edit may not bring.
 */
#include "conf/edit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conf/build.h"
#include "conf/copy.h"
#include "conf/directives.h"
#include "conf/editcode.h"
#include "conf/quotes.h"
#include "conf/values.h"

enum { BAD = 400, NOT_FOUND = 404, CONFLICT = 409, BROKEN = 500 };

/* One edit under way. */
struct work {
    const struct model *model; /* as it was */
    const struct edit *edit;
    const uint32_t *in_force;
    struct conf_store *store; /* the copy; owned */
    struct edit_verdict *verdict;
    const struct model_service *service; /* of model: what the edit names, as far as it does */
    const struct model_group *group;
    size_t place; /* of the group in its service */
};

static const struct origin admin_origin = {.file = ORIGIN_ADMIN};

void edit_verdict_fini(struct edit_verdict *verdict)
{
    text_fini(&verdict->text);
    verdict->status = 0;
}

static bool refuse(struct work *work, unsigned int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(struct work *work, unsigned int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    work->verdict->status = status;
    text_clear(&work->verdict->text);
    text_vprintf(&work->verdict->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_memory(struct work *work)
{
    return refuse(work, BROKEN, "out of memory");
}

/* ---- what the edit names ---- */

/* "no host 'x' …", with the nearest name there is. */
static bool refuse_unknown(struct work *work, const char *what, const char *name,
                           const char *const *names, size_t n)
{
    const char *nearest = text_nearest(name, names, n);
    return refuse(work, NOT_FOUND, "there is no %s '%.64s'%s%s%s", what, name,
                  nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "'?" : "");
}

static bool find_service(struct work *work)
{
    const struct model *model = work->model;
    const char **names = calloc(model->n_services + 1, sizeof *names);
    if (names == NULL)
        return refuse_memory(work);
    for (size_t i = 0; i < model->n_services; i++) {
        names[i] = model->services[i].name;
        if (strcmp(names[i], work->edit->service) == 0)
            work->service = &model->services[i];
    }
    bool is_found =
        work->service != NULL ||
        refuse_unknown(work, "service", work->edit->service, names, model->n_services);
    free(names);
    return is_found;
}

static size_t group_at(const struct model_service *service, size_t place)
{
    return service->places[place];
}

static bool find_group(struct work *work)
{
    if (!find_service(work))
        return false;
    const struct model_service *service = work->service;
    const char **names = calloc(service->n_places, sizeof *names);
    if (names == NULL)
        return refuse_memory(work);
    for (size_t place = 0; place < service->n_places; place++) {
        const struct model_group *group = &work->model->groups[group_at(service, place)];
        names[place] = group->name;
        if (strcmp(group->name, work->edit->group) != 0)
            continue;
        work->group = group;
        work->place = place;
    }
    bool is_found = work->group != NULL ||
                    refuse_unknown(work, "group", work->edit->group, names, service->n_places);
    free(names);
    return is_found;
}

/* The host whose line has this name; of a name with several addresses the first. */
static const struct model_host *host_of_line(const struct model_group *group, const char *name)
{
    for (size_t i = 0; i < group->n_hosts; i++)
        if (strcmp(group->hosts[i].line_name, name) == 0)
            return &group->hosts[i];
    return NULL;
}

/* Some service whose group in force this is; NULL = none. */
static const struct model_service *who_is_on(const struct work *work,
                                             const struct model_group *group)
{
    const struct model *model = work->model;
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        size_t place = work->in_force[i] <= service->n_standby ? work->in_force[i] : 0;
        if (&model->groups[group_at(service, place)] == group ||
            &model->groups[service->group] == group)
            return service;
    }
    return NULL;
}

static bool is_used_by_other(const struct work *work)
{
    const struct model *model = work->model;
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        for (size_t place = 0; service != work->service && place < service->n_places; place++)
            if (&model->groups[group_at(service, place)] == work->group)
                return true;
    }
    return false;
}

/* ---- lines ---- */

static bool add_line(struct work *work, struct conf_section *section,
                     const struct directive *row, const char *value)
{
    if (section != NULL &&
        store_add_line(work->store, section, row, value, &admin_origin) != NULL)
        return true;
    return refuse_memory(work);
}

/* In place of the key's line, or as a new one; a key that does not repeat. */
static bool set_line(struct work *work, struct conf_section *section,
                     const struct directive *row, const char *value)
{
    for (struct conf_line *line = section->first; line != NULL; line = line->next) {
        if (line->row != row)
            continue;
        line->value = arena_copy(&work->store->arena, value, strlen(value));
        line->origin = admin_origin;
        return line->value != NULL || refuse_memory(work);
    }
    return add_line(work, section, row, value);
}

static struct conf_section *service_section(const struct work *work)
{
    return store_find_section(work->store, SECTION_SERVICE, work->service->name);
}

static struct conf_section *group_section(const struct work *work)
{
    return store_find_section(work->store, SECTION_GROUP, work->group->name);
}

/* The service's standby line: as it was but for the group at `without` (0 = none), then one more (NULL = none). */
static bool set_standby(struct work *work, size_t without, const char *more)
{
    struct text value = {0};
    const struct model_service *service = work->service;
    for (size_t place = 1; place <= service->n_standby; place++) {
        if (place == without)
            continue;
        text_append(&value, " ", value.length > 0);
        quotes_add_word(&value, work->model->groups[service->standby[place - 1]].name);
    }
    if (more != NULL) {
        text_append(&value, " ", value.length > 0);
        quotes_add_word(&value, more);
    }
    bool is_done =
        !value.failed && set_line(work, service_section(work),
                                  DIRECTIVE_OF(SECTION_SERVICE, model_service, standby),
                                  value.at != NULL ? value.at : "");
    if (value.failed)
        refuse_memory(work);
    text_fini(&value);
    return is_done;
}

/* A new section's name is a word as the file has it. */
static bool check_new_name(struct work *work, const char *what, const char *name)
{
    if (value_is_name(name) && strpbrk(name, " \t\"]") == NULL)
        return true;
    return refuse(work, BAD,
                  "%s: a name is one word of up to 49 bytes, without blanks and quotes", what);
}

/* ---- hosts ---- */

static bool add_host(struct work *work)
{
    const struct edit *edit = work->edit;
    struct text value = {0};
    if (!find_group(work) || !check_new_name(work, "name", edit->name))
        return false;
    if (host_of_line(work->group, edit->name) != NULL)
        return refuse(work, CONFLICT, "%s/%s has a host '%s' already", edit->service,
                      edit->group, edit->name);
    quotes_add_word(&value, edit->name);
    text_printf(&value, " %s", edit->value);
    bool is_done = value.failed
                       ? refuse_memory(work)
                       : add_line(work, group_section(work),
                                  DIRECTIVE_OF(SECTION_GROUP, model_group, hosts), value.at);
    text_fini(&value);
    return is_done;
}

static bool delete_host(struct work *work)
{
    const struct edit *edit = work->edit;
    if (!find_group(work))
        return false;
    const struct model_group *group = work->group;
    const struct model_host *host = host_of_line(group, edit->name);
    size_t others = 0;
    const char **names = calloc(group->n_hosts + 1, sizeof *names);
    if (names == NULL)
        return refuse_memory(work);
    for (size_t i = 0; i < group->n_hosts; i++) {
        names[i] = group->hosts[i].line_name;
        others += strcmp(names[i], edit->name) != 0;
    }
    if (host == NULL)
        refuse_unknown(work, "host", edit->name, names, group->n_hosts);
    free(names);
    if (host == NULL)
        return false;
    const struct model_service *user = who_is_on(work, group);
    if (others == 0 && user != NULL)
        return refuse(work, CONFLICT,
                      "%s is the last host of %s, which is in force for service %s: put "
                      "another group in force, or take the host down",
                      edit->name, group->name, user->name);
    store_drop_lines(group_section(work), DIRECTIVE_OF(SECTION_GROUP, model_group, hosts),
                     host->line);
    return true;
}

static bool delete_all_hosts(struct work *work)
{
    if (!find_group(work))
        return false;
    const struct model_service *user = who_is_on(work, work->group);
    if (user != NULL)
        return refuse(work, CONFLICT,
                      "%s is in force for service %s, or what its configuration begins with: "
                      "it keeps a host",
                      work->group->name, user->name);
    store_drop_lines(group_section(work), DIRECTIVE_OF(SECTION_GROUP, model_group, hosts),
                     NULL);
    return true;
}

/* ---- groups, services ---- */

static const char *scheduler_word(const struct model_group *group)
{
    return directives_word(DIRECTIVE_OF(SECTION_GROUP, model_group, scheduler),
                           (int64_t)group->scheduler);
}

static bool change_scheduler(struct work *work)
{
    return find_group(work) &&
           set_line(work, group_section(work),
                    DIRECTIVE_OF(SECTION_GROUP, model_group, scheduler), work->edit->value);
}

static bool new_group(struct work *work)
{
    const struct edit *edit = work->edit;
    if (!find_service(work) || !check_new_name(work, "group", edit->group))
        return false;
    if (store_find_section(work->store, SECTION_GROUP, edit->group) != NULL)
        return refuse(work, CONFLICT, "there is a group '%s' already", edit->group);
    struct conf_section *section =
        store_add_section(work->store, SECTION_GROUP, edit->group, &admin_origin);
    return add_line(work, section, DIRECTIVE_OF(SECTION_GROUP, model_group, scheduler),
                    edit->value) &&
           set_standby(work, 0, edit->group);
}

static bool delete_group(struct work *work)
{
    if (!find_group(work))
        return false;
    size_t index = (size_t)(work->service - work->model->services);
    if (work->place == 0 || work->place == work->in_force[index])
        return refuse(work, CONFLICT, "%s is %s of service %s", work->group->name,
                      work->place == work->in_force[index] ? "the group in force"
                                                           : "the configured group",
                      work->service->name);
    for (size_t i = 0; i < work->service->n_routes; i++)
        if (&work->model->groups[work->service->routes[i].group] == work->group)
            return refuse(work, CONFLICT, "a route of service %s leads to group %s",
                          work->service->name, work->group->name);
    if (is_used_by_other(work))
        return refuse(work, CONFLICT, "another service uses group %s, too", work->group->name);
    if (!set_standby(work, work->place, NULL))
        return false;
    store_drop_section(work->store, group_section(work));
    return true;
}

static bool new_service(struct work *work)
{
    const struct edit *edit = work->edit;
    const struct model *model = work->model;
    if (!check_new_name(work, "service", edit->service))
        return false;
    if (store_find_section(work->store, SECTION_SERVICE, edit->service) != NULL)
        return refuse(work, CONFLICT, "there is a service '%s' already", edit->service);
    const char **names = calloc(model->n_groups + 1, sizeof *names);
    if (names == NULL)
        return refuse_memory(work);
    for (size_t i = 0; i < model->n_groups; i++) {
        names[i] = model->groups[i].name;
        if (strcmp(names[i], edit->group) == 0)
            work->group = &model->groups[i];
    }
    if (work->group == NULL)
        refuse_unknown(work, "group", edit->group, names, model->n_groups);
    else if (work->group->n_hosts == 0)
        refuse(work, CONFLICT, "group %s has no host", edit->group);
    free(names);
    if (work->verdict->status != 0)
        return false;
    struct text group = {0};
    quotes_add_word(&group, edit->group);
    struct conf_section *section =
        store_add_section(work->store, SECTION_SERVICE, edit->service, &admin_origin);
    bool is_done =
        !group.failed &&
        add_line(work, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, listens),
                 edit->value) &&
        add_line(work, section, DIRECTIVE_OF(SECTION_SERVICE, model_service, group), group.at);
    text_fini(&group);
    return is_done || refuse_memory(work);
}

static bool delete_service(struct work *work)
{
    if (!find_service(work))
        return false;
    if (work->model->n_services == 1)
        return refuse(work, CONFLICT, "%s is the last service", work->service->name);
    store_drop_section(work->store, service_section(work));
    return true;
}

/* ---- users ---- */

static const struct model_user *user_at(const struct model_admin *admin, size_t i)
{
    return i < admin->n_users ? &admin->users[i] : &admin->users_file.users[i - admin->n_users];
}

static size_t count_users(const struct model *model)
{
    return model->admin.n_users + model->admin.users_file.n;
}

static const struct model_user *find_user(const struct model *model, const char *name)
{
    assert(name != NULL);
    for (size_t i = 0; i < count_users(model); i++)
        if (strcmp(user_at(&model->admin, i)->name, name) == 0)
            return user_at(&model->admin, i);
    return NULL;
}

/* The [admin] line of this user: the first word of its value is the name. NULL = it stands elsewhere. */
static const struct conf_line *
find_user_line(struct work *work, const struct conf_section *admin, const struct directive *row)
{
    const struct conf_line *line = admin != NULL ? admin->first : NULL;
    for (; line != NULL; line = line->next) {
        struct quotes_words words;
        const char *why;
        if (line->row == row && quotes_split(&work->store->arena, line->value, &words, &why) &&
            words.n > 0 && strcmp(words.at[0], work->edit->name) == 0)
            return line;
    }
    return NULL;
}

static bool add_user(struct work *work)
{
    const struct edit *edit = work->edit;
    const struct directive *row = directives_find(SECTION_ADMIN, "user");
    if (!check_new_name(work, "name", edit->name))
        return false;
    if (find_user(work->model, edit->name) != NULL)
        return refuse(work, CONFLICT, "there is a user '%s' already", edit->name);
    struct conf_section *admin = store_find_section(work->store, SECTION_ADMIN, "");
    if (admin == NULL)
        admin = store_add_section(work->store, SECTION_ADMIN, "", &admin_origin);
    struct text value = {0};
    quotes_add_word(&value, edit->name);
    text_printf(&value, " %s", edit->value);
    bool is_done = value.failed ? refuse_memory(work) : add_line(work, admin, row, value.at);
    text_fini(&value);
    return is_done;
}

static bool delete_user(struct work *work)
{
    const struct edit *edit = work->edit;
    const struct model *model = work->model;
    const struct directive *row = directives_find(SECTION_ADMIN, "user");
    struct conf_section *admin = store_find_section(work->store, SECTION_ADMIN, "");
    if (find_user(model, edit->name) == NULL) {
        const char **names = calloc(count_users(model) + 1, sizeof *names);
        if (names == NULL)
            return refuse_memory(work);
        for (size_t i = 0; i < count_users(model); i++)
            names[i] = user_at(&model->admin, i)->name;
        refuse_unknown(work, "user", edit->name, names, count_users(model));
        free(names);
        return false;
    }
    const struct conf_line *line = find_user_line(work, admin, row);
    if (line == NULL)
        return refuse(work, CONFLICT,
                      "user '%s' stands in the users_file: delete it there, then reload",
                      edit->name);
    /* Without any user the door would be open to everybody for reading. */
    if (count_users(model) == 1)
        return refuse(work, CONFLICT,
                      "%s is the last user: without one nobody would be asked "
                      "for a password any more",
                      edit->name);
    store_drop_lines(admin, row, line->value);
    return true;
}

/* ---- the table ---- */

static const struct {
    const char *done;
    bool (*run)(struct work *work);
} kinds[EDIT_KINDS] = {
    [EDIT_ADD_HOST] = {"added", add_host},
    [EDIT_DELETE_HOST] = {"deleted", delete_host},
    [EDIT_DELETE_ALL_HOSTS] = {"all hosts deleted", delete_all_hosts},
    [EDIT_CHANGE_SCHEDULER] = {"scheduler changed", change_scheduler},
    [EDIT_NEW_SERVICE] = {"made", new_service},
    [EDIT_DELETE_SERVICE] = {"deleted", delete_service},
    [EDIT_NEW_GROUP] = {"made", new_group},
    [EDIT_DELETE_GROUP] = {"deleted", delete_group},
    [EDIT_ADD_USER] = {"added", add_user},
    [EDIT_DELETE_USER] = {"deleted", delete_user},
};

/* The sentences of the check, without the places that an edit does not have. */
static void take_problems(struct work *work, const struct problems *problems)
{
    const char *errors = problems->errors.at != NULL ? problems->errors.at : "out of memory";
    static const char place[] = ORIGIN_ADMIN ": ";
    work->verdict->status = BAD;
    text_clear(&work->verdict->text);
    while (*errors != '\0') {
        if (strncmp(errors, place, sizeof place - 1) == 0)
            errors += sizeof place - 1;
        size_t length = strcspn(errors, "\n");
        text_append(&work->verdict->text, "\n", work->verdict->text.length > 0);
        text_append(&work->verdict->text, errors, length);
        errors += length + (errors[length] == '\n');
    }
}

struct model *conf_edit(const struct model *model, const struct edit *edit,
                        const struct addresses *addresses, const uint32_t *in_force,
                        struct edit_verdict *verdict)
{
    struct work work = {.model = model,
                        .edit = edit,
                        .in_force = in_force,
                        .store = store_copy(model->store, addresses),
                        .verdict = verdict};
    if (work.store == NULL) {
        refuse_memory(&work);
        return NULL;
    }
    work.store->is_edited = true;
    if (!kinds[edit->kind].run(&work)) {
        store_free(work.store);
        return NULL;
    }
    struct problems problems = {0};
    struct model *edited = store_assemble_copy(work.store, &problems);
    if (edited == NULL) {
        take_problems(&work, &problems);
    } else {
        text_clear(&verdict->text);
        edit_print_path(&verdict->text, edit);
        text_printf(&verdict->text, ": %s", kinds[edit->kind].done);
        if (edit->kind == EDIT_CHANGE_SCHEDULER)
            text_printf(&verdict->text, ", %s -> %s", scheduler_word(work.group), edit->value);
    }
    problems_fini(&problems);
    return edited;
}

/* ---- what has become of an edit ---- */

static const struct model_group *named_group(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->n_groups; i++)
        if (strcmp(model->groups[i].name, name) == 0)
            return &model->groups[i];
    return NULL;
}

static bool has_service(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->n_services; i++)
        if (strcmp(model->services[i].name, name) == 0)
            return true;
    return false;
}

bool edit_is_in(const struct model *model, const struct edit *edit)
{
    const struct model_group *group =
        edit->group != NULL ? named_group(model, edit->group) : NULL;
    bool has_host =
        group != NULL && edit->name != NULL && host_of_line(group, edit->name) != NULL;
    switch (edit->kind) {
    case EDIT_ADD_HOST:
        return has_host;
    case EDIT_DELETE_HOST:
        return !has_host;
    case EDIT_DELETE_ALL_HOSTS:
        return group == NULL || group->n_hosts == 0;
    case EDIT_CHANGE_SCHEDULER:
        return group != NULL && strcmp(scheduler_word(group), edit->value) == 0;
    case EDIT_NEW_SERVICE:
        return has_service(model, edit->service);
    case EDIT_DELETE_SERVICE:
        return !has_service(model, edit->service);
    case EDIT_NEW_GROUP:
        return group != NULL;
    case EDIT_DELETE_GROUP:
        return group == NULL;
    case EDIT_ADD_USER:
        return find_user(model, edit->name) != NULL;
    case EDIT_DELETE_USER:
        return find_user(model, edit->name) == NULL;
    case EDIT_KINDS:
        break;
    }
    return true;
}
