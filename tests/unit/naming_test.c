/* SPDX-License-Identifier: MIT */
/* Tests of what master takes of the director's addresses. */
#include "master/naming.h"

#include <netinet/in.h>

#include "base/log.h"
#include "conf/store.h"
#include "conf_fixture.h"
#include "master/context.h"

/* A master that is just committing: what it takes begins nothing by itself. */
struct rig {
    struct master master;
    struct edition current, next;
    struct received message;
    struct addresses told;
    int null_fd;
};

static void tell_of(struct addresses *addresses, const char *lookup, uint32_t ip)
{
    struct address one = {.weight = 1, .at.length = sizeof one.at.in};
    one.at.in.sin_family = AF_INET;
    one.at.in.sin_addr.s_addr = htonl(ip);
    assert_int_equal(addresses_set(addresses, lookup, &one, 1), 1);
}

/* A model whose one host has this name. */
static struct model *model_of(const char *lookup)
{
    struct model *model = load_good(BASE_LINES);
    model->groups[0].hosts[0].lookup = lookup;
    return model;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    log_to_fd(rig->null_fd);
    rig->master.rollout.stage = ROLLOUT_COMMITTING;
    rig->current.model = model_of("a.example");
    rig->next.model = model_of("b.example");
    rig->master.rollout.current = &rig->current;
    rig->master.rollout.next = &rig->next;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    log_to_fd(STDERR_FILENO);
    close(rig->null_fd);
    addresses_fini(&rig->told);
    addresses_fini(&rig->master.addresses);
    conf_free(rig->current.model);
    conf_free(rig->next.model);
    free(rig);
    return 0;
}

static void take(struct rig *rig)
{
    rig->message.fds[0] = addresses_encode(&rig->told);
    rig->message.n_fds = 1;
    assert_true(rig->message.fds[0] >= 0);
    naming_take(&rig->master, &rig->message);
    channel_close_fds(&rig->message);
}

static bool is_known(const struct rig *rig, const char *lookup)
{
    return addresses_find(&rig->master.addresses, lookup) != NULL;
}

static void takes_names_that_configurations_ask_for_and_no_others(void **state)
{
    struct rig *rig = *state;
    tell_of(&rig->told, "a.example", 0xc0000201);
    tell_of(&rig->told, "b.example", 0xc0000202);
    tell_of(&rig->told, "c.example", 0xc0000203);
    take(rig);
    assert_true(is_known(rig, "a.example"));
    assert_true(is_known(rig, "b.example"));
    assert_false(is_known(rig, "c.example"));
}

static void what_is_told_no_more_stays(void **state)
{
    struct rig *rig = *state;
    tell_of(&rig->told, "a.example", 0xc0000201);
    take(rig);
    addresses_fini(&rig->told);
    tell_of(&rig->told, "b.example", 0xc0000202);
    take(rig);
    assert_true(is_known(rig, "a.example"));
    assert_true(is_known(rig, "b.example"));
}

static void takes_nothing_that_is_no_list_of_addresses(void **state)
{
    struct rig *rig = *state;
    rig->message.n_fds = 0;
    naming_take(&rig->master, &rig->message);
    rig->message.fds[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    rig->message.n_fds = 1;
    naming_take(&rig->master, &rig->message);
    channel_close_fds(&rig->message);
    assert_int_equal(rig->master.addresses.n, 0);
}

static void knows_a_model_that_was_built_with_less(void **state)
{
    struct rig *rig = *state;
    struct model *model = rig->current.model;
    assert_false(naming_is_stale(&rig->master, model));
    tell_of(&rig->told, "a.example", 0xc0000201);
    take(rig);
    assert_true(naming_is_stale(&rig->master, model));
    assert_false(naming_is_stale(&rig->master, rig->next.model));
    assert_int_equal(addresses_copy(&model->store->addresses, &rig->told), 0);
    assert_false(naming_is_stale(&rig->master, model));
}

static void forgets_names_of_before(void **state)
{
    struct rig *rig = *state;
    tell_of(&rig->told, "a.example", 0xc0000201);
    tell_of(&rig->told, "b.example", 0xc0000202);
    take(rig);
    rig->master.rollout.current = &rig->next;
    naming_forget_unwanted(&rig->master);
    assert_false(is_known(rig, "a.example"));
    assert_true(is_known(rig, "b.example"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_names_that_configurations_ask_for_and_no_others),
        TEST(what_is_told_no_more_stays),
        TEST(takes_nothing_that_is_no_list_of_addresses),
        TEST(knows_a_model_that_was_built_with_less),
        TEST(forgets_names_of_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
