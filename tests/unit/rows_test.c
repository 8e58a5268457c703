/* SPDX-License-Identifier: MIT */
/* Tests of the rows a configuration gets. */
#include "master/rows.h"

#include <stdlib.h>

#include "conf_fixture.h"

struct rig {
    struct segment segment;
    struct rows *rows;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (segment_create(&rig->segment, NULL) != 0)
        return -1;
    rig->rows = rows_new(&rig->segment);
    *state = rig;
    return rig->rows != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    rows_free(rig->rows);
    segment_fini(&rig->segment);
    free(rig);
    return 0;
}

/* A configuration of one service over one group with these host lines. */
static struct model *model_of(const char *hosts)
{
    struct text text = {0};
    struct problems problems = {0};
    text_printf(&text, "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n[group main]\n%s",
                hosts);
    struct conf_request request = {.text = text.at};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", problems.errors.at);
    problems_fini(&problems);
    text_fini(&text);
    return model;
}

/* A generation as the rollout has it. */
struct taken {
    struct model *model;
    struct bundle_rows rows;
};

static struct taken take(const struct rig *rig, const char *hosts)
{
    const char *why = NULL;
    struct taken taken = {.model = model_of(hosts)};
    assert_int_equal(rows_take(rig->rows, taken.model, &taken.rows, &why), 0);
    return taken;
}

static void commit(const struct rig *rig, const struct taken *taken)
{
    rows_commit(rig->rows, taken->model, &taken->rows);
}

static void give(const struct rig *rig, struct taken *taken)
{
    rows_give(rig->rows, &taken->rows);
    conf_free(taken->model);
}

static const struct host_row *host_of(const struct rig *rig, const struct taken *taken,
                                      size_t i)
{
    return &rig->segment.hosts[taken->rows.hosts[i]];
}

static void new_hosts_get_the_state_of_the_file(void **state)
{
    const struct rig *rig = *state;
    struct taken a =
        take(rig, "host = x 10.0.0.1:1 weight=7\n"
                  "host = y 10.0.0.2:1 state=drain\nhost = z 10.0.0.3:1 state=down\n");
    assert_int_equal(a.rows.n_hosts, 3);
    assert_int_equal(atomic_load(&host_of(rig, &a, 0)->weight), 7);
    assert_int_equal(atomic_load(&host_of(rig, &a, 0)->admin), ADMIN_UP);
    assert_int_equal(atomic_load(&host_of(rig, &a, 1)->admin), ADMIN_DRAIN);
    assert_int_equal(atomic_load(&host_of(rig, &a, 2)->admin), ADMIN_DOWN);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&host_of(rig, &a, i)->is_used), 1);
        assert_int_equal(atomic_load(&host_of(rig, &a, i)->group), a.rows.groups[0]);
    }
    assert_int_equal(atomic_load(&rig->segment.groups[a.rows.groups[0]].is_used), 1);
    assert_int_equal(atomic_load(&rig->segment.services[a.rows.services[0]].is_used), 1);
    give(rig, &a);
}

static void host_keeps_its_row_while_its_line_moves(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take(rig, "host = x 10.0.0.1:1\nhost = y 10.0.0.2:1\n");
    commit(rig, &a);
    struct taken b =
        take(rig, "host = y 10.0.0.2:1\nhost = new 10.0.0.9:1\nhost = x 10.0.0.1:1\n");
    assert_int_equal(b.rows.hosts[0], a.rows.hosts[1]);
    assert_int_equal(b.rows.hosts[2], a.rows.hosts[0]);
    assert_int_not_equal(b.rows.hosts[1], a.rows.hosts[0]);
    assert_int_not_equal(b.rows.hosts[1], a.rows.hosts[1]);
    assert_int_equal(b.rows.groups[0], a.rows.groups[0]);
    assert_int_equal(b.rows.services[0], a.rows.services[0]);
    give(rig, &a);
    give(rig, &b);
}

static void other_address_is_another_host(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take(rig, "host = x 10.0.0.1:1\n");
    struct taken b = take(rig, "host = x 10.0.0.1:2\n");
    assert_int_not_equal(a.rows.hosts[0], b.rows.hosts[0]);
    give(rig, &a);
    give(rig, &b);
}

static void what_an_admin_set_survives_until_the_line_changes(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take(rig, "host = x 10.0.0.1:1 weight=3\nhost = y 10.0.0.2:1\n");
    commit(rig, &a);
    host_set_weight(&rig->segment, a.rows.hosts[0], 9);
    host_set_admin(&rig->segment, a.rows.hosts[0], ADMIN_DRAIN);
    host_set_admin(&rig->segment, a.rows.hosts[1], ADMIN_DOWN);

    struct taken b = take(rig, "host = x 10.0.0.1:1 weight=3\nhost = y 10.0.0.2:1 weight=2\n");
    /* Nothing changes before the commit: it may yet be given up. */
    assert_int_equal(atomic_load(&host_of(rig, &b, 1)->admin), ADMIN_DOWN);
    commit(rig, &b);
    assert_int_equal(atomic_load(&host_of(rig, &b, 0)->weight), 9);
    assert_int_equal(atomic_load(&host_of(rig, &b, 0)->admin), ADMIN_DRAIN);
    assert_int_equal(atomic_load(&host_of(rig, &b, 1)->weight), 2);
    assert_int_equal(atomic_load(&host_of(rig, &b, 1)->admin), ADMIN_UP);
    give(rig, &a);
    give(rig, &b);
}

static void host_that_was_gone_comes_back_as_the_file_says(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take(rig, "host = x 10.0.0.1:1\nhost = y 10.0.0.2:1\n");
    commit(rig, &a);
    host_set_admin(&rig->segment, a.rows.hosts[0], ADMIN_DOWN);
    struct taken b = take(rig, "host = y 10.0.0.2:1\n");
    commit(rig, &b);
    /* A long connection still holds the first generation, and so the row. */
    struct taken c = take(rig, "host = x 10.0.0.1:1\nhost = y 10.0.0.2:1\n");
    assert_int_equal(c.rows.hosts[0], a.rows.hosts[0]);
    commit(rig, &c);
    assert_int_equal(atomic_load(&host_of(rig, &c, 0)->admin), ADMIN_UP);
    give(rig, &a);
    give(rig, &b);
    give(rig, &c);
}

static void row_is_free_when_the_last_generation_is_gone(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take(rig, "host = x 10.0.0.1:1\n");
    struct taken b = take(rig, "host = x 10.0.0.1:1\nhost = y 10.0.0.2:1\n");
    uint32_t x = a.rows.hosts[0], y = b.rows.hosts[1];
    give(rig, &a);
    assert_int_equal(atomic_load(&rig->segment.hosts[x].is_used), 1);
    give(rig, &b);
    assert_int_equal(atomic_load(&rig->segment.hosts[x].is_used), 0);
    assert_int_equal(atomic_load(&rig->segment.hosts[y].is_used), 0);
    /* Free numbers are given again, the lowest first. */
    struct taken c = take(rig, "host = z 10.0.0.3:1\n");
    assert_int_equal(c.rows.hosts[0], x < y ? x : y);
    give(rig, &c);
}

/* As the model is while a name has no known address. */
static struct taken take_unresolved(const struct rig *rig, const char *hosts,
                                    const char *lookup)
{
    const char *why = NULL;
    struct taken taken = {.model = model_of(hosts)};
    struct model_host *host = &taken.model->groups[0].hosts[0];
    host->address = (struct addr){0};
    host->lookup = lookup;
    assert_int_equal(rows_take(rig->rows, taken.model, &taken.rows, &why), 0);
    return taken;
}

static void a_host_without_an_address_has_a_row_of_its_own(void **state)
{
    const struct rig *rig = *state;
    struct taken a = take_unresolved(rig, "host = x 10.0.0.1:1\n", "x.example");
    commit(rig, &a);
    assert_int_equal(atomic_load(&host_of(rig, &a, 0)->health), HEALTH_UNRESOLVED);
    struct taken same = take_unresolved(rig, "host = x 10.0.0.1:1\n", "x.example");
    struct taken other = take_unresolved(rig, "host = x 10.0.0.1:1\n", "y.example");
    assert_int_equal(same.rows.hosts[0], a.rows.hosts[0]);
    assert_int_not_equal(other.rows.hosts[0], a.rows.hosts[0]);
    struct taken found = take(rig, "host = x 10.0.0.1:1\n");
    assert_int_not_equal(found.rows.hosts[0], a.rows.hosts[0]);
    assert_int_equal(atomic_load(&host_of(rig, &found, 0)->health), HEALTH_UP);
    give(rig, &a);
    give(rig, &same);
    give(rig, &other);
    /* The row may go to a host that has an address. */
    struct taken next = take(rig, "host = z 10.0.0.3:1\n");
    assert_int_equal(atomic_load(&host_of(rig, &next, 0)->health), HEALTH_UP);
    give(rig, &next);
    give(rig, &found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A model of one service over groups a, b, c in this order. */
struct groups {
    struct model model;
    struct model_service service;
    struct model_group groups[3];
    size_t standby[2], places[3];
};

static void fill_groups(struct groups *out, const char *names, size_t n_standby)
{
    static const char *const words[] = {"a", "b", "c"};
    *out = (struct groups){.standby = {1, 2}, .places = {0, 1, 2}};
    for (size_t i = 0; i <= n_standby; i++)
        out->groups[i].name = words[names[i] - 'a'];
    out->service = (struct model_service){.name = "web",
                                          .standby = out->standby,
                                          .n_standby = n_standby,
                                          .places = out->places,
                                          .n_places = n_standby + 1};
    out->model = (struct model){.groups = out->groups,
                                .n_groups = n_standby + 1,
                                .services = &out->service,
                                .n_services = 1};
}

static void group_in_force_stays_while_its_service_s_groups_do(void **state)
{
    struct rig *rig = *state;
    struct groups before, same, other, fewer;
    uint32_t number = 3;
    const struct bundle_rows taken = {.services = &number, .n_services = 1};
    _Atomic uint32_t *enabled = &rig->segment.services[3].enabled;
    fill_groups(&before, "abc", 2);
    fill_groups(&same, "abc", 2);
    fill_groups(&other, "acb", 2);
    fill_groups(&fewer, "ab", 1);
    atomic_store(enabled, 2);
    rows_keep_enabled(rig->rows, &before.model, &same.model, &taken, false);
    assert_int_equal(atomic_load(enabled), 2);
    rows_keep_enabled(rig->rows, &before.model, &other.model, &taken, false);
    assert_int_equal(atomic_load(enabled), 0);
    atomic_store(enabled, 1);
    rows_keep_enabled(rig->rows, &before.model, &fewer.model, &taken, false);
    assert_int_equal(atomic_load(enabled), 0);
    atomic_store(enabled, 1);
    rows_keep_enabled(rig->rows, NULL, &same.model, &taken, false);
    assert_int_equal(atomic_load(enabled), 0);
}

static void changed_line_ends_a_drain_over_time(void **state)
{
    struct rig *rig = *state;
    struct taken first = take(rig, "host = a 127.0.0.1:1\n");
    commit(rig, &first);
    struct host_row *row = &rig->segment.hosts[first.rows.hosts[0]];
    host_set_admin(&rig->segment, first.rows.hosts[0], ADMIN_DRAIN);
    atomic_store(&row->drain_until_ns, 5);
    commit(rig, &first);
    assert_int_equal(atomic_load(&row->drain_until_ns), 5);
    struct taken second = take(rig, "host = a 127.0.0.1:1 weight=2\n");
    commit(rig, &second);
    assert_int_equal(atomic_load(&row->drain_until_ns), 0);
    assert_int_equal(atomic_load(&row->admin), ADMIN_UP);
    give(rig, &first);
    give(rig, &second);
}

/* A generation whose one host was found by a name: shown as name, at the weight. */
static struct taken take_found(const struct rig *rig, const char *name, int64_t weight)
{
    const char *why = NULL;
    struct taken taken = {.model = model_of("host = app 10.0.0.1:80\n")};
    struct model_host *host = &taken.model->groups[0].hosts[0];
    host->name = name;
    host->line_name = "app";
    host->lookup = "app.example";
    host->weight = weight;
    assert_int_equal(rows_take(rig->rows, taken.model, &taken.rows, &why), 0);
    return taken;
}

static void a_found_host_keeps_its_row_when_others_of_its_name_come(void **state)
{
    const struct rig *rig = *state;
    struct taken first = take_found(rig, "app", 1);
    struct taken second = take_found(rig, "app@10.0.0.1", 1);
    assert_int_equal(first.rows.hosts[0], second.rows.hosts[0]);
    give(rig, &first);
    give(rig, &second);
}

static void another_weight_of_a_record_stands_unless_an_admin_set_one(void **state)
{
    const struct rig *rig = *state;
    struct taken first = take_found(rig, "app", 1);
    commit(rig, &first);
    struct taken second = take_found(rig, "app", 5);
    commit(rig, &second);
    assert_int_equal(atomic_load(&host_of(rig, &second, 0)->weight), 5);
    host_set_weight(&rig->segment, second.rows.hosts[0], 7);
    host_set_admin(&rig->segment, second.rows.hosts[0], ADMIN_DRAIN);
    struct taken third = take_found(rig, "app", 6);
    commit(rig, &third);
    assert_int_equal(atomic_load(&host_of(rig, &third, 0)->weight), 7);
    assert_int_equal(atomic_load(&host_of(rig, &third, 0)->admin), ADMIN_DRAIN);
    give(rig, &first);
    give(rig, &second);
    give(rig, &third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_hosts_get_the_state_of_the_file),
        TEST(a_found_host_keeps_its_row_when_others_of_its_name_come),
        TEST(another_weight_of_a_record_stands_unless_an_admin_set_one),
        TEST(host_keeps_its_row_while_its_line_moves),
        TEST(other_address_is_another_host),
        TEST(what_an_admin_set_survives_until_the_line_changes),
        TEST(host_that_was_gone_comes_back_as_the_file_says),
        TEST(row_is_free_when_the_last_generation_is_gone),
        TEST(group_in_force_stays_while_its_service_s_groups_do),
        TEST(changed_line_ends_a_drain_over_time),
        TEST(a_host_without_an_address_has_a_row_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
