/* SPDX-License-Identifier: MIT */
/* Tests of running.txt. */
#include "admin/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin_rig.h"

static void text_is_one_line_a_thing(void **state)
{
    const struct admin_rig *rig = *state;
    struct text text = {0};
    listing_text(&text, &rig->status);
    size_t hosts = 0, services = 0, workers = 0, daemons = 0;
    for (const char *line = text.at; *line != '\0'; line = strchr(line, '\n') + 1) {
        hosts += strncmp(line, "host ", 5) == 0;
        services += strncmp(line, "service ", 8) == 0;
        workers += strncmp(line, "worker ", 7) == 0;
        daemons += strncmp(line, "daemon ", 7) == 0;
        assert_non_null(strchr(line, '\n'));
    }
    assert_int_equal(daemons, 1);
    assert_int_equal(workers, 2);
    assert_int_equal(services, 2);
    assert_int_equal(hosts, 6); /* two services show the same three */
    assert_non_null(strstr(text.at, "\\x22><script>alert(1)</script>\\x0a\\x27&\\xff"));
    assert_null(strstr(text.at, RIG_HOSTILE));
    text_fini(&text);
}

static void tells_when_a_host_is_checked_next_and_why_it_is_down(void **state)
{
    struct admin_rig *rig = *state;
    struct text text = {0};
    admin_rig_add_spare(rig);
    atomic_store(&rig->segment.services[5].enabled, 1);
    atomic_store(&rig->segment.hosts[14].checks_total, 41);
    atomic_store(&rig->segment.hosts[14].check_failures_total, 9);
    atomic_store(&rig->segment.hosts[14].next_check_ns, rig->status.now_ns + CLOCK_NS_PER_S);
    host_set_health(&rig->segment, 14, HEALTH_DOWN, "connect: timed out");
    listing_text(&text, &rig->status);
    const char *line = strstr(text.at, "db@192.0.2.2");
    assert_non_null(line);
    unsigned int checks, failures;
    double next_s;
    char reason[64], word[16];
    /* name address state weight connections total bytes_in bytes_out failures since … */
    assert_int_equal(sscanf(line, "%*s %*s %15s %*u %*u %*u %*u %*u %*u %*s %u %u %lf %63[^\n]",
                            word, &checks, &failures, &next_s, reason),
                     5);
    assert_string_equal(word, "down");
    assert_int_equal(checks, 41);
    assert_int_equal(failures, 9);
    assert_true(next_s == 1.0);
    assert_string_equal(reason, "connect: timed out");
    const char *service = strstr(text.at, "\nservice ");
    assert_true(service != NULL && strstr(service, " web ") != NULL);
    service++;
    const char *end = strchr(service, '\n');
    assert_memory_equal(end - strlen("  spare"), "  spare", strlen("  spare"));
    text_fini(&text);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, admin_rig_open, admin_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(text_is_one_line_a_thing),
        RIG_TEST(tells_when_a_host_is_checked_next_and_why_it_is_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
