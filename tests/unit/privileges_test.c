/* SPDX-License-Identifier: MIT */
/* Tests of descriptor limits. */
#include "master/privileges.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "conf_fixture.h"
#include "share/segment.h"

static void two_descriptors_a_connection_beside_what_is_kept(void **state)
{
    (void)state;
    uint64_t few = descriptors_allow(1024, &(struct descriptor_needs){1, 1, 0});
    assert_in_range(few, 400, 512);
    assert_int_equal(descriptors_allow(1026, &(struct descriptor_needs){1, 1, 0}), few + 1);
    assert_true(descriptors_allow(1024, &(struct descriptor_needs){50, 1, 0}) < few);
    assert_int_equal(descriptors_allow(1024, &(struct descriptor_needs){1, 11, 0}),
                     few - 5); /* a bell for each worker */
    assert_int_equal(descriptors_allow(1024, &(struct descriptor_needs){1, 1, 20}), few - 10);
    assert_int_equal(descriptors_allow(16, &(struct descriptor_needs){1, 1, 0}), 0);
    assert_int_equal(descriptors_allow(0, &(struct descriptor_needs){0, 1, 0}), 0);
    assert_int_equal(descriptors_allow(UINT64_MAX, &(struct descriptor_needs){1, 1, 0}),
                     SEGMENT_LIVE);
}

static void limits_count_for_whoever_may_not_raise_them(void **state)
{
    (void)state;
    const struct rlimit low = {64, 64};
    pid_t child = fork();
    if (child == 0) {
        struct problems problems = {0};
        struct model *all = load_text(BASE_LINES, &problems);
        struct model *many =
            load_text("[global]\nworkers = 1\nmax_connections = 33\n" BASE_LINES, &problems);
        bool is_other = geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;
        bool is_low = setrlimit(RLIMIT_NOFILE, &low) == 0;
        uint64_t few = descriptors_resolve(all, true, &problems);
        bool is_fine = few > 0 && few < 32 && problems.n_errors == 0;
        bool is_refused = descriptors_resolve(many, true, &problems) == 0 &&
                          strcmp(errors_of(&problems),
                                 "command line: [global] max_connections: 33 needs 295 file "
                                 "descriptors, the limit (ulimit -n) is 64\n") == 0;
        conf_free(all);
        conf_free(many);
        problems_fini(&problems);
        _exit(is_other && is_low && is_fine && is_refused ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_key_is_bounded_by_what_a_worker_can_hold(void **state)
{
    (void)state;
    char text[128];
    struct problems problems = {0};
    snprintf(text, sizeof text, "[global]\nmax_connections = %d\n" BASE_LINES, SEGMENT_LIVE);
    conf_free(load_good(text));
    snprintf(text, sizeof text, "[global]\nmax_connections = %d\n" BASE_LINES,
             SEGMENT_LIVE + 1);
    assert_null(load_text(text, &problems));
    assert_non_null(strstr(errors_of(&problems), "[global] max_connections: "));
    problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_descriptors_a_connection_beside_what_is_kept),
        cmocka_unit_test(limits_count_for_whoever_may_not_raise_them),
        cmocka_unit_test(the_key_is_bounded_by_what_a_worker_can_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
