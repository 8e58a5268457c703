/* SPDX-License-Identifier: MIT */
/* A generation: every row where it belongs, refused when it does not fit, freed with its last user. */
#include "relay/generation.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "relay_rig.h"

static const char text[] =
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = spare\nnodelay = no\n"
    "congestion = reno\n"
    "[service two]\nlisten = 127.0.0.1:8081\ngroup = main\nkeepalive = no\n"
    "user_timeout = 7s\ncongestion = reno\n"
    "[group main]\nhost = a 127.0.0.1:1\nhost = b 127.0.0.1:2\n"
    "eject_failures = 3\neject_time = 4s\neject_most = 50%\n"
    "[group spare]\nhost = c 127.0.0.1:3\n";

static const char one_host[] = RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\n";

static void groups_hold_their_rows(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    const struct model *model = rig.generation->model;
    uint32_t host = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const struct group *group = &rig.generation->lines[i].group;
        assert_ptr_equal(group->model, &model->groups[i]);
        assert_int_equal(group->number, RIG_FIRST_GROUP + i);
        assert_ptr_equal(group->row, &rig.segment.groups[RIG_FIRST_GROUP + i]);
        assert_int_equal(group->slot, RIG_SLOT);
        assert_ptr_equal(group->random, &rig.relay.random);
        assert_int_equal(group->n_hosts, model->groups[i].n_hosts);
        for (uint32_t j = 0; j < group->n_hosts; j++, host++) {
            assert_ptr_equal(group->hosts[j].model, &model->groups[i].hosts[j]);
            assert_int_equal(group->hosts[j].number, RIG_FIRST_HOST + host);
            assert_ptr_equal(group->hosts[j].row, &rig.segment.hosts[RIG_FIRST_HOST + host]);
        }
    }
    assert_int_equal(host, 3);
    rig_close(&rig);
}

static void groups_eject_by_their_rules(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    const struct host_eject_rules *rules = &rig.generation->lines[0].group.eject;
    assert_int_equal(rules->failures, 3);
    assert_int_equal(rules->time_ns, 4 * CLOCK_NS_PER_S);
    assert_int_equal(rules->most_percent, 50);
    assert_int_equal(rules->n_hosts, 2);
    assert_int_equal(rig.generation->lines[1].group.eject.n_hosts, 1);
    rig_close(&rig);
}

static void services_hold_row_shard_and_line(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    const struct generation *generation = rig.generation;
    for (uint32_t i = 0; i < 2; i++) {
        const struct service *service = &generation->services[i];
        assert_ptr_equal(service->model, &generation->model->services[i]);
        assert_int_equal(service->number, RIG_FIRST_SERVICE + i);
        assert_ptr_equal(service->shard,
                         service_shard(&rig.segment, RIG_SLOT, RIG_FIRST_SERVICE + i));
    }
    assert_string_equal(generation->services[0].ways[0].line->group.model->name, "spare");
    assert_string_equal(generation->services[1].ways[0].line->group.model->name, "main");
    rig_close(&rig);
}

static void host_sockets_are_tuned_as_the_service_says(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    const struct sock_options *web = &rig.generation->services[0].ways[0].host_options;
    const struct sock_options *two = &rig.generation->services[1].ways[0].host_options;
    assert_false(web->nodelay);
    assert_true(web->keepalive);
    assert_int_equal(web->user_timeout_ms, 0);
    assert_true(two->nodelay);
    assert_false(two->keepalive);
    assert_int_equal(two->user_timeout_ms, 7000);
    rig_close(&rig);
}

/* Two congestion controls that anybody may use here; false when there is but one. */
static bool find_two_words(char first[16], char second[16])
{
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_allowed_congestion_control", "re");
    int n = file != NULL ? fscanf(file, "%15s %15s", first, second) : 0;
    if (file != NULL)
        fclose(file);
    return n == 2;
}

static void group_congestion_stands_over_the_service_one(void **state)
{
    struct relay_rig rig;
    char first[16], second[16];

    (void)state;
    if (!find_two_words(first, second)) {
        print_message("skipped: this kernel has no two congestion controls\n");
        skip();
    }
    rig_open(&rig,
             "[service web]\nlisten = 127.0.0.1:8080\ngroup = spare\ncongestion = %s\n"
             "[service two]\nlisten = 127.0.0.1:8081\ngroup = main\ncongestion = %s\n"
             "[group main]\nhost = a 127.0.0.1:1\ncongestion = %s\n"
             "[group spare]\nhost = c 127.0.0.1:3\n",
             first, first, second);
    assert_string_equal(rig.generation->services[0].ways[0].host_options.congestion, first);
    assert_string_equal(rig.generation->services[1].ways[0].host_options.congestion, second);
    rig_close(&rig);
}

static void assert_refused(struct relay_rig *rig, int bundle, const char *says)
{
    struct problems problems = {0};
    const struct generation_place place = {
        .segment = &rig->segment, .slot = RIG_SLOT, .random = &rig->relay.random};

    assert_true(bundle >= 0);
    assert_null(generation_new(&place, bundle, -1, 2, &problems));
    assert_true(problems.n_errors > 0);
    if (strstr(problems.errors.at, says) == NULL)
        fail_msg("not \"%s\" but %s", says, problems.errors.at);
    problems_fini(&problems);
    close(bundle);
}

/* A bundle of one service, group, host, listen with the rows given. */
static int pack(const struct relay_rig *rig, struct bundle_rows rows)
{
    uint32_t fine = 0;

    rows.n_services = rows.n_groups = rows.n_hosts = rows.n_listeners = 1;
    rows.services = rows.services != NULL ? rows.services : &fine;
    rows.groups = rows.groups != NULL ? rows.groups : &fine;
    rows.hosts = rows.hosts != NULL ? rows.hosts : &fine;
    rows.listeners = rows.listeners != NULL ? rows.listeners : &fine;
    return bundle_pack(rig->generation->model, &rows);
}

static void row_beyond_the_segment_is_refused(void **state)
{
    struct relay_rig rig;
    uint32_t service = SEGMENT_SERVICES, group = SEGMENT_GROUPS, host = SEGMENT_HOSTS;
    static const char says[] = "cannot prepare the configuration: Protocol error";

    (void)state;
    rig_open(&rig, "%s", one_host);
    assert_refused(&rig, pack(&rig, (struct bundle_rows){.services = &service}), says);
    assert_refused(&rig, pack(&rig, (struct bundle_rows){.groups = &group}), says);
    assert_refused(&rig, pack(&rig, (struct bundle_rows){.hosts = &host}), says);
    rig_close(&rig);
}

static void last_rows_of_the_segment_fit(void **state)
{
    struct relay_rig rig;
    uint32_t service = SEGMENT_SERVICES - 1, group = SEGMENT_GROUPS - 1,
             host = SEGMENT_HOSTS - 1;
    struct problems problems = {0};

    (void)state;
    rig_open(&rig, "%s", one_host);
    const struct generation_place place = {
        .segment = &rig.segment, .slot = RIG_SLOT, .random = &rig.relay.random};
    int bundle = pack(
        &rig, (struct bundle_rows){.services = &service, .groups = &group, .hosts = &host});
    struct generation *generation = generation_new(&place, bundle, -1, 2, &problems);
    assert_non_null(generation);
    assert_int_equal(generation->id, 2);
    assert_int_equal(generation->references, 1);
    assert_ptr_equal(generation->lines[0].group.hosts[0].row, &rig.segment.hosts[host]);
    generation_put(generation);
    close(bundle);
    problems_fini(&problems);
    rig_close(&rig);
}

static void what_is_no_bundle_is_refused(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", one_host);
    assert_refused(&rig, open("/dev/null", O_RDONLY | O_CLOEXEC), "");
    rig_close(&rig);
}

struct death {
    uint64_t id;
    int n;
};

static void on_free(void *owner, uint64_t id)
{
    struct death *death = owner;
    death->id = id;
    death->n++;
}

static void dies_with_its_last_user(void **state)
{
    struct relay_rig rig;
    struct death death = {0};

    (void)state;
    rig_open(&rig, "%s", one_host);
    struct generation *generation = rig_generation(&rig, 55, one_host);
    generation->on_free = on_free;
    generation->owner = &death;
    assert_ptr_equal(generation_get(generation), generation);
    generation_put(generation);
    assert_int_equal(death.n, 0);
    generation_put(generation);
    assert_int_equal(death.n, 1);
    assert_int_equal(death.id, 55);
    rig_close(&rig);
}

/* A generation with three parked sockets, while two of another one are counted. */
static struct generation *park_some(struct relay_rig *rig)
{
    struct generation *generation = rig_generation(rig, 2, text);

    for (size_t i = 0; i < 3; i++)
        assert_true(parked_put(&generation->services[i / 2].ways[0].parked, AF_INET,
                               sock_open_stream(AF_INET)));
    rig->relay.n_parked = 5;
    assert_int_equal(rig_count_fds(), rig->n_fds + 3);
    return generation;
}

static void assert_parked_gone(struct relay_rig *rig)
{
    assert_int_equal(rig->relay.n_parked, 2);
    assert_int_equal(rig_count_fds(), rig->n_fds);
}

static void parked_sockets_go_with_it(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    generation_put(park_some(&rig));
    assert_parked_gone(&rig);
    rig.relay.n_parked = 0;
    rig_close(&rig);
}

static void past_generation_keeps_no_sockets(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    struct generation *generation = park_some(&rig);
    assert_false(generation->is_past);
    generation_retire(generation);
    assert_true(generation->is_past);
    assert_int_equal(generation->references, 1);
    assert_parked_gone(&rig);
    generation_put(generation);
    assert_parked_gone(&rig);
    rig.relay.n_parked = 0;
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_hold_their_rows),
        cmocka_unit_test(groups_eject_by_their_rules),
        cmocka_unit_test(services_hold_row_shard_and_line),
        cmocka_unit_test(host_sockets_are_tuned_as_the_service_says),
        cmocka_unit_test(group_congestion_stands_over_the_service_one),
        cmocka_unit_test(row_beyond_the_segment_is_refused),
        cmocka_unit_test(last_rows_of_the_segment_fit),
        cmocka_unit_test(what_is_no_bundle_is_refused),
        cmocka_unit_test(dies_with_its_last_user),
        cmocka_unit_test(parked_sockets_go_with_it),
        cmocka_unit_test(past_generation_keeps_no_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
