/* SPDX-License-Identifier: MIT */
/* Tests of what all schedulers share: keys of clients, names in hashes, who is warm. */
#include "balance/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <cmocka.h>

#include "balance_rig.h"
#include "golden.h"

static void print_key(void *context, uint32_t n, char line[GOLDEN_LINE_BYTES])
{
    const struct addr client = rig_client(n);
    char text[INET6_ADDRSTRLEN];
    uint64_t key = 0;

    (void)context;
    assert_true(scheduler_client_key(&client, &key));
    golden_print_client(text, &client);
    snprintf(line, GOLDEN_LINE_BYTES, "%s %016llx", text, (unsigned long long)key);
}

static void gives_clients_the_keys_they_always_had(void **state)
{
    (void)state;
    golden_check("keys.txt", print_key, NULL);
}

static void ignores_the_client_s_port(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 2; n++) {
        struct addr one = rig_client(n), other = rig_client(n);
        uint64_t keys[2] = {0};
        one.in.sin_port = 1;
        other.in.sin_port = 2; /* at the same place in both families */
        assert_true(scheduler_client_key(&one, &keys[0]));
        assert_true(scheduler_client_key(&other, &keys[1]));
        assert_int_equal(keys[0], keys[1]);
    }
}

static void knows_a_mapped_address_for_what_it_is(void **state)
{
    struct addr plain = rig_client(4), mapped = {.length = sizeof mapped.in6};
    uint64_t keys[2] = {0};

    (void)state;
    mapped.in6.sin6_family = AF_INET6;
    mapped.in6.sin6_addr.s6_addr[10] = mapped.in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&mapped.in6.sin6_addr.s6_addr[12], &plain.in.sin_addr, 4);
    assert_true(scheduler_client_key(&plain, &keys[0]));
    assert_true(scheduler_client_key(&mapped, &keys[1]));
    assert_int_equal(keys[0], keys[1]);
}

static void gives_no_key_without_an_ip_address(void **state)
{
    struct addr local = {.length = sizeof local.un}, none = {0};
    uint64_t key;

    (void)state;
    local.un.sun_family = AF_UNIX;
    assert_false(scheduler_client_key(NULL, &key));
    assert_false(scheduler_client_key(&local, &key));
    assert_false(scheduler_client_key(&none, &key));
}

static void knows_hosts_by_their_names_alone(void **state)
{
    struct model_host models[2] = {{.name = "app1", .weight = 1}, {.name = "app2"}};
    struct host one = {.model = &models[0], .number = 1};
    struct host same = {.model = &models[0], .number = 7};
    struct host other = {.model = &models[1], .number = 1};

    (void)state;
    assert_int_equal(scheduler_identity(&one), scheduler_identity(&same));
    assert_int_not_equal(scheduler_identity(&one), scheduler_identity(&other));
}

/* How many of 10,000 keys may go to host 1 after so many milliseconds of its 10 s. */
static uint32_t count_warm(struct rig *rig, uint64_t ms, bool *is_warm)
{
    struct pick_request request = {.now_ns = RIG_NOW_NS + ms * 1000000};
    struct random random;
    uint32_t n_warm = 0;

    random_init(&random, 5);
    for (uint32_t i = 0; i < 10000; i++) {
        request.key = random_next(&random);
        bool is_now = scheduler_is_warm(&rig->group, &request, 1);
        /* Who once may goes on to. */
        assert_true(is_now || !is_warm[i]);
        is_warm[i] = is_now;
        n_warm += is_now;
        assert_true(scheduler_is_warm(&rig->group, &request, 0));
    }
    return n_warm;
}

static void lets_a_growing_share_of_keys_go_to_a_cold_host(void **state)
{
    static bool is_warm[10000];
    struct rig rig;

    (void)state;
    rig_open(&rig, SCHEDULER_ROUNDROBIN, 2, NULL);
    rig.model.hosts[1].slow_start_ms = 10000;
    rig.group.hosts[1].row->returned_ns = RIG_NOW_NS;
    group_touch(&rig.segment, RIG_GROUP);
    rig_visit(&rig.group);
    assert_true(rig.group.may_be_cold);
    assert_int_equal(count_warm(&rig, 0, is_warm), 0);
    for (uint32_t quarter = 1; quarter < 4; quarter++)
        assert_in_range(count_warm(&rig, 2500 * quarter, is_warm), 2500 * quarter - 200,
                        2500 * quarter + 200);
    assert_int_equal(count_warm(&rig, 10000, is_warm), 10000);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_clients_the_keys_they_always_had),
        cmocka_unit_test(ignores_the_client_s_port),
        cmocka_unit_test(knows_a_mapped_address_for_what_it_is),
        cmocka_unit_test(gives_no_key_without_an_ip_address),
        cmocka_unit_test(knows_hosts_by_their_names_alone),
        cmocka_unit_test(lets_a_growing_share_of_keys_go_to_a_cold_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
