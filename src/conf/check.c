/* SPDX-License-Identifier: MIT */
/* What no single key can know: references, duplicates, sums, contradictions. */
#include "conf/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/assemble.h"
#include "conf/checktls.h"
#include "conf/directives.h"
#include "conf/names.h"

enum { ACCESS_INTERVAL_LEAST_MS = 1000 };

struct check {
    const struct model *model;
    struct problems *problems;
    bool *is_used; /* per group */
    struct names names;
    bool has_memory;
};

/* Where the key was written, or the section when it is a default. */
static const struct origin *place(const struct conf_section *section,
                                  const struct directive *row)
{
    const struct conf_line *line = store_find_line(section, row);
    return line != NULL ? &line->origin : section != NULL ? &section->origin : NULL;
}

static void check_counts(const struct check *check)
{
    const struct model *model = check->model;
    const struct origin whole = {.file = model->path};
    if (store_find_section(model->store, SECTION_GLOBAL, "") == NULL &&
        model->n_services == 0 && model->n_groups == 0 && model->store->first == NULL)
        problems_add(check->problems, &whole, NULL, NULL, "there is nothing in it");
    else if (model->n_services == 0)
        problems_add(check->problems, &whole, NULL, NULL, "there is no [service] section");
    if (model->n_services > CHECK_MOST_SERVICES)
        problems_add(check->problems, &whole, NULL, NULL, "%zu services are more than %d",
                     model->n_services, CHECK_MOST_SERVICES);
    if (model->n_groups > CHECK_MOST_GROUPS)
        problems_add(check->problems, &whole, NULL, NULL, "%zu groups are more than %d",
                     model->n_groups, CHECK_MOST_GROUPS);
    if (model->n_hosts > CHECK_MOST_HOSTS)
        problems_add(check->problems, &whole, NULL, NULL, "%zu hosts are more than %d",
                     model->n_hosts, CHECK_MOST_HOSTS);
}

/* ---- [global] ---- */

static void check_timeouts(const struct check *check, const struct conf_section *global)
{
    const struct directive *adopt =
        DIRECTIVE_OF(SECTION_GLOBAL, model_global, adopt_timeout_ms);
    const struct directive *stuck =
        DIRECTIVE_OF(SECTION_GLOBAL, model_global, stuck_timeout_ms);
    const struct model_global *values = &check->model->global;
    if (values->adopt_timeout_ms < values->stuck_timeout_ms)
        return;
    bool is_by_stuck = store_find_line(global, adopt) == NULL;
    problems_add(check->problems, place(global, is_by_stuck ? stuck : adopt), "global",
                 is_by_stuck ? stuck->key : adopt->key,
                 "%s (%" PRId64 " ms) must be less than %s (%" PRId64 " ms)", adopt->key,
                 values->adopt_timeout_ms, stuck->key, values->stuck_timeout_ms);
}

/* The wheel of limits would do; a log of so many lines helps nobody. */
static void check_interval(const struct check *check, const struct conf_section *global)
{
    const struct directive *row =
        DIRECTIVE_OF(SECTION_GLOBAL, model_global, access_interval_ms);
    int64_t ms = check->model->global.access_interval_ms;
    if (ms > 0 && ms < ACCESS_INTERVAL_LEAST_MS)
        problems_add(check->problems, place(global, row), "global", row->key,
                     "%" PRId64 " ms is too short: must be 0 or at least 1s", ms);
}

static void check_resolvers(const struct check *check, const struct conf_section *global)
{
    const struct model_global *values = &check->model->global;
    const struct directive *row = DIRECTIVE_OF(SECTION_GLOBAL, model_global, resolvers);
    char printed[ADDR_TEXT_BYTES];
    for (size_t i = 1; i < values->n_resolvers; i++)
        for (size_t k = 0; k < i; k++)
            if (addr_is_equal(&values->resolvers[i], &values->resolvers[k]))
                problems_add(check->problems, place(global, row), "global", row->key,
                             "%s is named twice", addr_print(printed, &values->resolvers[i]));
}

/* A daemon's standard error leads nowhere: master sends its lines to syslog. */
static void warn_of_lost_stderr(const struct check *check, const struct conf_section *global)
{
    const struct model_global *values = &check->model->global;
    const struct directive *log = DIRECTIVE_OF(SECTION_GLOBAL, model_global, log);
    const struct directive *daemon = DIRECTIVE_OF(SECTION_GLOBAL, model_global, daemon);
    if (values->daemon && values->log.kind == LOGS_STDERR)
        problems_warn(check->problems,
                      place(global, store_find_line(global, log) != NULL ? log : daemon),
                      "global", log->key,
                      "stderr leads nowhere from the background (%s = yes): the log goes to "
                      "syslog; name syslog or a file",
                      daemon->key);
}

/* One file cannot be two things. */
static void check_paths(const struct check *check, const struct conf_section *global)
{
    const struct model_global *values = &check->model->global;
    const struct {
        const char *path;
        const struct directive *row;
    } files[] = {
        {values->pidfile, DIRECTIVE_OF(SECTION_GLOBAL, model_global, pidfile)},
        {values->control, DIRECTIVE_OF(SECTION_GLOBAL, model_global, control)},
        {values->log.path, DIRECTIVE_OF(SECTION_GLOBAL, model_global, log)},
        {values->access_log.path, DIRECTIVE_OF(SECTION_GLOBAL, model_global, access_log)},
    };
    for (size_t i = 1; i < sizeof files / sizeof files[0]; i++)
        for (size_t k = 0; k < i; k++)
            if (files[i].path[0] != '\0' && strcmp(files[i].path, files[k].path) == 0)
                problems_add(check->problems, place(global, files[i].row), "global",
                             files[i].row->key, "the same file as %s", files[k].row->key);
}

/* ---- groups ---- */

/* True for the first of the hosts that one line has become. */
static bool begins_line(const struct model_group *group, size_t i)
{
    return i == 0 || group->hosts[i].line != group->hosts[i - 1].line;
}

static void check_host_names(struct check *check, const struct conf_section *section,
                             size_t index)
{
    const struct model_group *group = &check->model->groups[index];
    const char *key = DIRECTIVE_OF(SECTION_GROUP, model_group, hosts)->key;
    for (size_t i = 0; i < group->n_hosts; i++) {
        const struct model_host *host = &group->hosts[i];
        char where[ORIGIN_TEXT_BYTES];
        size_t first;
        if (!begins_line(group, i))
            continue;
        if (names_put(&check->names, index, host->line_name, strlen(host->line_name), i,
                      &first) != 0)
            check->has_memory = false;
        else if (first != i)
            problems_add(check->problems, &host->origin, section->title, key,
                         "a second host %s in this group, the first is at %s", host->line_name,
                         origin_print(where, &group->hosts[first].origin));
    }
    /* NAME@ADDRESS is what the addresses of a name are called. */
    for (size_t i = 0; i < group->n_hosts; i++) {
        const struct model_host *host = &group->hosts[i];
        const char *at = strrchr(host->line_name, '@');
        size_t first;
        if (begins_line(group, i) && at != NULL &&
            names_find(&check->names, index, host->line_name, (size_t)(at - host->line_name),
                       &first) &&
            group->hosts[first].lookup[0] != '\0')
            problems_add(check->problems, &host->origin, section->title, key,
                         "%s would be taken for an address of host %s", host->line_name,
                         group->hosts[first].line_name);
    }
}

static void check_weights(const struct check *check, const struct conf_section *section,
                          const struct model_group *group)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_GROUP, model_group, hosts);
    int64_t weights = 0;
    size_t n_lines = 0, n_good = 0;
    for (size_t i = 0; i < group->n_hosts; i++) {
        weights += group->hosts[i].weight;
        n_good += begins_line(group, i);
    }
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        n_lines += line->row == row;
    /* Only when every line could be read: else the weight may stand in a bad one. */
    if (n_lines > 0 && n_lines == n_good && weights == 0)
        problems_add(check->problems, place(section, row), section->title, row->key,
                     "every host has weight=0: none could ever be chosen");
}

#define GROUP_ROW(member) DIRECTIVE_OF(SECTION_GROUP, model_group, member)

static void check_probes(const struct check *check, const struct conf_section *section,
                         const struct model_group *group)
{
    const struct directive *timeout = GROUP_ROW(check_timeout_ms),
                           *interval = GROUP_ROW(check_interval_ms);
    bool has_checks = group->check.kind != CHECK_NONE;
    if (has_checks && group->check_timeout_ms > group->check_interval_ms) {
        const struct directive *row =
            store_find_line(section, timeout) != NULL ? timeout : interval;
        problems_warn(check->problems, place(section, row), section->title, row->key,
                      "%s (%" PRId64 " ms) is longer than %s (%" PRId64
                      " ms): a check may not be over when the next is due",
                      timeout->key, group->check_timeout_ms, interval->key,
                      group->check_interval_ms);
    }
    const struct {
        const struct directive *row;
        bool is_given;
    } of_tls[] = {{GROUP_ROW(tls_ca), group->tls_ca.path[0] != '\0'},
                  {GROUP_ROW(tls_name), group->tls_name[0] != '\0'}};
    for (size_t i = 0; i < 2; i++)
        if (of_tls[i].is_given && group->check.kind != CHECK_TLS && group->tls == HOST_TLS_NO)
            problems_warn(check->problems, place(section, of_tls[i].row), section->title,
                          of_tls[i].row->key, "has no effect without %s or %s = tls",
                          GROUP_ROW(tls)->key, GROUP_ROW(check)->key);
    for (size_t i = 0; i < group->n_hosts; i++)
        if (!has_checks && begins_line(group, i) &&
            group->hosts[i].check_address.any.sa_family != AF_UNSPEC)
            problems_warn(check->problems, &group->hosts[i].origin, section->title,
                          GROUP_ROW(hosts)->key, "check= has no effect: %s is none",
                          GROUP_ROW(check)->key);
    if (group->fail_open > 0 && !has_checks && group->eject_failures == 0)
        problems_warn(check->problems, place(section, GROUP_ROW(fail_open)), section->title,
                      GROUP_ROW(fail_open)->key,
                      "has no effect: without %s and %s no host is ever taken out",
                      GROUP_ROW(check)->key, GROUP_ROW(eject_failures)->key);
}

/* Could a connection to any host come from an address of this family? */
static bool has_family(const struct model_group *group, int family)
{
    for (size_t i = 0; i < group->n_hosts; i++)
        if (group->hosts[i].address.any.sa_family == family ||
            group->hosts[i].lookup[0] != '\0')
            return true;
    return group->n_hosts == 0;
}

static void check_binds(const struct check *check, const struct conf_section *section,
                        const struct model_group *group)
{
    const struct directive *row = GROUP_ROW(binds);
    size_t n_lines = 0;
    for (const struct conf_line *line = section->first; line != NULL; line = line->next)
        n_lines += line->row == row && !line->is_overridden;
    for (size_t i = 0; i < group->n_binds; i++) {
        const struct model_bind *bind = &group->binds[i];
        /* A line that could not be read would shift those behind it. */
        const struct origin *origin =
            n_lines == group->n_binds ? store_place(section, row, i) : place(section, row);
        int family = bind->address.any.sa_family;
        if (bind->is_client && group->n_binds > 1)
            problems_add(check->problems, origin, section->title, row->key,
                         "client stands alone: no other address can be used beside it");
        else if (bind->is_client && group->pool > 0)
            problems_warn(check->problems, origin, section->title, row->key,
                          "%s has no effect: whose address a connection needs is not known "
                          "ahead",
                          GROUP_ROW(pool)->key);
        else if (!bind->is_client && !has_family(group, family))
            problems_warn(check->problems, origin, section->title, row->key,
                          "has no effect: no host of this group has an %s address",
                          family == AF_INET ? "IPv4" : "IPv6");
        for (size_t k = 0; k < i && !bind->is_client; k++)
            if (addr_is_equal(&bind->address, &group->binds[k].address))
                problems_add(check->problems, origin, section->title, row->key,
                             "the same address twice");
    }
}

static void check_group(struct check *check, const struct conf_section *section, size_t index)
{
    const struct model_group *group = &check->model->groups[index];
    check_host_names(check, section, index);
    check_weights(check, section, group);
    check_probes(check, section, group);
    check_binds(check, section, group);
    check_host_tls(group, section, check->problems);
    if (!check->is_used[index])
        problems_warn(check->problems, &section->origin, section->title, NULL,
                      "no service uses this group");
}

/* ---- services ---- */

static void warn_no_effect(const struct check *check, const struct conf_section *section,
                           const struct directive *row, int64_t ms, int64_t idle_ms)
{
    if (ms > idle_ms && store_find_line(section, row) != NULL)
        problems_warn(check->problems, place(section, row), section->title, row->key,
                      "longer than %s (%" PRId64 " ms), which ends the connection first",
                      DIRECTIVE_OF(SECTION_SERVICE, model_service, idle_timeout_ms)->key,
                      idle_ms);
}

static void check_standby(const struct check *check, const struct conf_section *section,
                          const struct model_service *service)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_SERVICE, model_service, standby);
    for (size_t i = 0; i < service->n_standby; i++) {
        size_t group = service->standby[i];
        const char *name = check->model->groups[group].name;
        check->is_used[group] = true;
        if (group == service->group)
            problems_add(check->problems, place(section, row), section->title, row->key,
                         "%s is the service's enabled group already", name);
        for (size_t k = 0; k < i; k++)
            if (service->standby[k] == group)
                problems_add(check->problems, place(section, row), section->title, row->key,
                             "group %s is named twice", name);
    }
}

/* A route that an earlier one leaves nothing to is a slip. */
static void check_routes(const struct check *check, const struct conf_section *section,
                         const struct model_service *service)
{
    const char *key = DIRECTIVE_OF(SECTION_SERVICE, model_service, routes)->key;
    for (size_t i = 0; i < service->n_routes; i++) {
        const struct model_route *route = &service->routes[i];
        check->is_used[route->group] = true;
        for (size_t k = 0; k < i; k++) {
            const struct model_route *earlier = &service->routes[k];
            char where[ORIGIN_TEXT_BYTES];
            if (earlier->kind == route->kind && route->kind != ROUTE_SOURCE &&
                strcmp(earlier->word, route->word) == 0)
                problems_add(check->problems, &route->origin, section->title, key,
                             "%s is routed already, at %s", route->word,
                             origin_print(where, &earlier->origin));
        }
    }
}

static void check_service(const struct check *check, const struct conf_section *section,
                          size_t index)
{
    const struct model_service *service = &check->model->services[index];
    if (service->group != MODEL_NO_GROUP)
        check->is_used[service->group] = true;
    check_standby(check, section, service);
    check_routes(check, section, service);
    check_tls(service, section, check->problems);
    warn_no_effect(check, section,
                   DIRECTIVE_OF(SECTION_SERVICE, model_service, half_close_timeout_ms),
                   service->half_close_timeout_ms, service->idle_timeout_ms);
    warn_no_effect(check, section,
                   DIRECTIVE_OF(SECTION_SERVICE, model_service, user_timeout_ms),
                   service->user_timeout_ms, service->idle_timeout_ms);
}

/* ---- addresses ---- */

/* A listen line with what it takes to talk about it; at is what the hash table compares. */
struct listener {
    const struct model_listen *listen;
    const char *section; /* "admin", "service web" */
    struct listener_at {
        unsigned char address[16];
        uint16_t port;
        char interface[16]; /* "" = any */
    } at;
};

static void listener_fill(struct listener *listener, const struct model_listen *listen,
                          const char *section)
{
    const struct addr *address = &listen->address;
    struct listener_at *at = &listener->at;
    listener->listen = listen;
    listener->section = section;
    at->port = addr_port(address);
    strncpy(at->interface, listen->interface, sizeof at->interface - 1);
    if (address->any.sa_family == AF_INET6) {
        memcpy(at->address, &address->in6.sin6_addr, sizeof at->address);
    } else {
        /* As ::ffff:a.b.c.d, so that 0.0.0.0 and :: stay different. */
        memset(at->address + 10, 0xff, 2);
        memcpy(at->address + 12, &address->in.sin_addr, 4);
    }
}

static void refuse_listener(const struct check *check, const struct listener *listener,
                            const struct listener *other)
{
    const char *key = DIRECTIVE_OF(SECTION_SERVICE, model_service, listens)->key;
    char own[ADDR_TEXT_BYTES], theirs[ADDR_TEXT_BYTES], where[ORIGIN_TEXT_BYTES];
    problems_add(check->problems, &listener->listen->origin, listener->section, key,
                 "%s is taken by %s of [%s] at %s", addr_print(own, &listener->listen->address),
                 addr_print(theirs, &other->listen->address), other->section,
                 origin_print(where, &other->listen->origin));
}

/* Finds another listener that has this very place, with the interface or with any. */
static bool find_other(const struct check *check, struct listener_at at, size_t self,
                       size_t *found)
{
    if (names_find(&check->names, UINT64_MAX, &at, sizeof at, found) && *found != self)
        return true;
    memset(at.interface, 0, sizeof at.interface);
    return names_find(&check->names, UINT64_MAX, &at, sizeof at, found) && *found != self;
}

/* Is the listener's address covered by another's, equal or wildcard? */
static void check_listener(const struct check *check, const struct listener *all, size_t index)
{
    const struct listener *listener = &all[index];
    struct listener_at any = listener->at;
    size_t found;
    memset(any.address, 0, sizeof any.address);
    struct listener_at any_v4 = any;
    memset(any_v4.address + 10, 0xff, 2);
    bool is_v4 = listener->listen->address.any.sa_family == AF_INET;
    /* A wildcard :: takes both families. */
    if (find_other(check, listener->at, index, &found) ||
        find_other(check, any, index, &found) ||
        (is_v4 && find_other(check, any_v4, index, &found)))
        refuse_listener(check, listener, &all[found]);
}

static void check_listeners(struct check *check)
{
    const struct model *model = check->model;
    size_t n = 0, existing, most = model->n_listens + model->admin.n_listens;
    struct listener *all = calloc(most + 1, sizeof *all);
    if (all == NULL) {
        check->has_memory = false;
        return;
    }
    for (size_t i = 0; i < model->admin.n_listens; i++)
        listener_fill(&all[n++], &model->admin.listens[i], "admin");
    size_t index = 0;
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next) {
        if (section->kind != SECTION_SERVICE || section->is_duplicate)
            continue;
        const struct model_service *service = &model->services[index++];
        for (size_t i = 0; i < service->n_listens; i++)
            listener_fill(&all[n++], &service->listens[i], section->title);
    }
    for (size_t i = 0; i < n; i++)
        if (names_put(&check->names, UINT64_MAX, &all[i].at, sizeof all[i].at, i, &existing) !=
            0)
            check->has_memory = false;
    for (size_t i = 0; i < n; i++)
        check_listener(check, all, i);
    names_fini(&check->names); /* its keys end here */
    free(all);
}

static const struct model_user *user_at(const struct model_admin *admin, size_t i)
{
    return i < admin->n_users ? &admin->users[i] : &admin->users_file.users[i - admin->n_users];
}

/* Names are told apart over [admin] and the users_file. */
static void check_users(const struct check *check)
{
    const struct model_admin *admin = &check->model->admin;
    const struct conf_section *section =
        store_find_section(check->model->store, SECTION_ADMIN, "");
    size_t n = admin->n_users + admin->users_file.n;
    if (n > CHECK_MOST_USERS) {
        problems_add(check->problems, &section->origin, "admin", NULL,
                     "%zu users are more than %d", n, CHECK_MOST_USERS);
        return;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(user_at(admin, i)->name, user_at(admin, k)->name) == 0)
                problems_add(check->problems, &section->origin, "admin", "user",
                             "user %s is named twice", user_at(admin, i)->name);
}

/* True when [admin] has this key, also where its value is a fault of its own. */
static bool has_line(const struct check *check, const struct directive *row)
{
    const struct conf_line *line =
        store_find_line(store_find_section(check->model->store, SECTION_ADMIN, ""), row);
    return line != NULL && line->value[0] != '\0';
}

#define ADMIN_ROW(member) DIRECTIVE_OF(SECTION_ADMIN, model_admin, member)

/* Beyond loopback nothing is to be read on its way, and not everybody is to see all. */
static void check_door(const struct check *check, const struct model_listen *listen)
{
    const struct directive *row = ADMIN_ROW(certificate);
    const char *key = ADMIN_ROW(listens)->key, *certificate = row->key;
    bool has_users =
        has_line(check, ADMIN_ROW(users)) || has_line(check, ADMIN_ROW(users_file));
    bool is_near = addr_is_loopback(&listen->address) || listen->insecure;
    char printed[ADDR_TEXT_BYTES];
    if (listen->tls && !has_line(check, row))
        problems_add(check->problems, &listen->origin, "admin", key, "tls needs a %s",
                     certificate);
    if (!is_near && !listen->tls)
        problems_add(check->problems, &listen->origin, "admin", key,
                     "%s lies beyond loopback, where passwords could be read on their way: "
                     "write tls behind it (with a %s and a user), or insecure to allow that",
                     addr_print(printed, &listen->address), certificate);
    else if (!is_near && !has_users)
        problems_add(check->problems, &listen->origin, "admin", key,
                     "%s lies beyond loopback, where anybody could look: it needs a user "
                     "(gaidarosctl hash makes the hash of a password), or the word insecure to "
                     "allow that",
                     addr_print(printed, &listen->address));
}

static void warn_of_unused_certificate(const struct check *check)
{
    const struct model_admin *admin = &check->model->admin;
    const struct directive *row = ADMIN_ROW(certificate);
    bool is_used = !has_line(check, row);
    for (size_t i = 0; i < admin->n_listens; i++)
        is_used |= admin->listens[i].tls;
    if (!is_used)
        problems_warn(check->problems,
                      place(store_find_section(check->model->store, SECTION_ADMIN, ""), row),
                      "admin", row->key, "has no effect: no address has the word tls");
}

static void check_admin(const struct check *check)
{
    const struct model_admin *admin = &check->model->admin;
    check_users(check);
    const char *key = DIRECTIVE_OF(SECTION_ADMIN, model_admin, listens)->key;
    if (admin->n_listens > CHECK_MOST_DOORS)
        problems_add(check->problems, &admin->listens[CHECK_MOST_DOORS].origin, "admin", key,
                     "%zu addresses are more than %d", admin->n_listens, CHECK_MOST_DOORS);
    for (size_t i = 0; i < admin->n_listens; i++)
        check_door(check, &admin->listens[i]);
    warn_of_unused_certificate(check);
}

void model_check(const struct model *model, struct problems *problems)
{
    struct check check = {.model = model,
                          .problems = problems,
                          .is_used = calloc(model->n_groups + 1, sizeof(bool)),
                          .has_memory = true};
    if (check.is_used == NULL) {
        problems_add(problems, NULL, NULL, NULL, "out of memory");
        return;
    }
    const struct conf_section *global = store_find_section(model->store, SECTION_GLOBAL, "");
    size_t service = 0, group = 0;
    check_counts(&check);
    check_timeouts(&check, global);
    warn_of_lost_stderr(&check, global);
    check_paths(&check, global);
    check_resolvers(&check, global);
    check_interval(&check, global);
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next)
        if (section->kind == SECTION_SERVICE && !section->is_duplicate)
            check_service(&check, section, service++);
    for (const struct conf_section *section = model->store->first; section != NULL;
         section = section->next)
        if (section->kind == SECTION_GROUP && !section->is_duplicate)
            check_group(&check, section, group++);
    check_admin(&check);
    names_fini(&check.names);
    check_listeners(&check);
    if (!check.has_memory)
        problems_add(problems, NULL, NULL, NULL, "out of memory");
    free(check.is_used);
}

bool model_is_transparent(const struct model *model)
{
    for (size_t i = 0; i < model->n_groups; i++)
        for (size_t k = 0; k < model->groups[i].n_binds; k++)
            if (model->groups[i].binds[k].is_client)
                return true;
    return false;
}
