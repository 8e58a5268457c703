/* SPDX-License-Identifier: MIT */
/* Tests of the segment: its mapping, and that dead processes leave nothing behind in it. */
#include "share/segment.h"
#include "share/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct segment segment;

static int open_segment(void **state)
{
    (void)state;
    return segment_create(&segment, NULL);
}

static int close_segment(void **state)
{
    (void)state;
    segment_fini(&segment);
    return 0;
}

static int64_t pages_in_use(void)
{
    struct stat status;
    assert_int_equal(fstat(segment.fd, &status), 0);
    return status.st_blocks / 8;
}

static void is_seen_by_whoever_attaches(void **state)
{
    struct segment other;

    (void)state;
    assert_int_equal(segment_attach(&other, dup(segment.fd)), 0);
    segment.hosts[SEGMENT_HOSTS - 1].weight = 77;
    live_row(&segment, SEGMENT_SLOTS - 1, SEGMENT_LIVE - 1)->id = 88;
    assert_int_equal(other.hosts[SEGMENT_HOSTS - 1].weight, 77);
    assert_int_equal(live_row(&other, SEGMENT_SLOTS - 1, SEGMENT_LIVE - 1)->id, 88);
    assert_int_equal(other.daemon->version, SEGMENT_VERSION);
    segment_fini(&other);
    assert_int_equal(other.fd, -1);
}

static void refuses_another_layout(void **state)
{
    struct segment other;
    int small = memfd_create("small", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(small, 4096), 0);
    assert_int_equal(segment_attach(&other, small), -1);
    assert_int_equal(errno, EPROTO);
    /* The same size with another version. */
    assert_int_equal(ftruncate(small, (off_t)segment.bytes), 0);
    assert_int_equal(pwrite(small, segment.daemon, 24, 0), 24); /* with its tables' sizes */
    uint32_t version = SEGMENT_VERSION + 1;
    assert_int_equal(pwrite(small, &version, sizeof version, 4), sizeof version);
    assert_int_equal(segment_attach(&other, small), -1);
    assert_int_equal(errno, EPROTO);
    version = SEGMENT_VERSION;
    assert_int_equal(pwrite(small, &version, sizeof version, 4), sizeof version);
    const struct segment_sizes odd = {STICK_WAYS + 1, SOURCE_WAYS}, none = {0, 0};
    assert_int_equal(pwrite(small, &odd, sizeof odd, 8), sizeof odd);
    assert_int_equal(segment_attach(&other, small), -1);
    assert_int_equal(pwrite(small, &none, sizeof none, 8), sizeof none);
    assert_int_equal(segment_attach(&other, small), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(pwrite(small, segment.daemon, 24, 0), 24);
    assert_int_equal(segment_attach(&other, small), 0);
    segment_fini(&other);
    assert_int_equal(segment_attach(&other, -1), -1);
    assert_int_equal(errno, EBADF);
}

static void has_the_sizes_that_were_asked_for(void **state)
{
    struct segment other, attached;
    struct segment_sizes sizes = {1000000, 7};

    (void)state;
    assert_int_equal(segment.daemon->sizes.stick_entries, STICK_DEFAULT);
    assert_true(segment.daemon->sizes.source_entries >= SOURCE_DEFAULT);
    assert_int_equal(segment.daemon->sizes.source_entries % SOURCE_WAYS, 0);
    assert_int_equal(segment_create(&other, &sizes), 0);
    assert_int_equal(other.daemon->sizes.stick_entries, 1000000);
    assert_int_equal(other.daemon->sizes.source_entries, SOURCE_WAYS);
    assert_int_equal(segment_attach(&attached, dup(other.fd)), 0);
    other.sources[0].entries[SOURCE_WAYS - 1].due_ns = 5;
    other.stick[999999].value = 6;
    assert_int_equal(attached.sources[0].entries[SOURCE_WAYS - 1].due_ns, 5);
    assert_int_equal(attached.stick[999999].value, 6);
    assert_memory_not_equal(&other.daemon->secret, &segment.daemon->secret,
                            sizeof other.daemon->secret);
    segment_fini(&attached);
    segment_fini(&other);
    sizes.source_entries = UINT64_C(1) << 40;
    assert_int_equal(segment_create(&other, &sizes), -1);
    assert_int_equal(errno, EINVAL);
}

static void finds_the_parts_in_use(void **state)
{
    const size_t bytes = STICK_DEFAULT * sizeof *segment.stick;
    size_t at = 0, end = 0;

    (void)state;
    assert_false(segment_find_used(&segment, segment.stick, bytes, &at, &end));
    segment.stick[50000].value = 1;
    int64_t pages = pages_in_use();
    assert_true(segment_find_used(&segment, segment.stick, bytes, &at, &end));
    assert_true(at <= 50000 * sizeof *segment.stick && 50000 * sizeof *segment.stick < end);
    at = end;
    assert_false(segment_find_used(&segment, segment.stick, bytes, &at, &end));
    at = bytes;
    assert_false(segment_find_used(&segment, segment.stick, bytes, &at, &end));
    assert_int_equal(pages_in_use(), pages);
}

static void cannot_be_cut_or_grown(void **state)
{
    (void)state;
    assert_int_equal(ftruncate(segment.fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(segment.fd, (off_t)segment.bytes + 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(segment.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void stays_out_of_core_dumps(void **state)
{
    char line[512], wanted[32];
    bool is_ours = false, has_flag = false;

    (void)state;
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    snprintf(wanted, sizeof wanted, "%jx-", (uintmax_t)(uintptr_t)segment.base);
    while (fgets(line, sizeof line, maps) != NULL) {
        const char *start = line + strspn(line, "0");
        if (strchr(line, '-') != NULL && strstr(line, " rw-s ") != NULL)
            is_ours = strncmp(start, wanted, strlen(wanted)) == 0;
        if (is_ours && strncmp(line, "VmFlags:", 8) == 0) {
            has_flag = strstr(line, " dd") != NULL;
            break;
        }
    }
    fclose(maps);
    assert_true(is_ours);
    assert_true(has_flag);
}

static void figures_touch_only_what_was_ever_used(void **state)
{
    struct host_figures host;
    struct service_figures service;
    struct settle_audit audit = {0};

    (void)state;
    segment_use_slot(&segment, 1);
    group_reset(&segment, 0);
    service_reset(&segment, 0);
    for (uint32_t i = 0; i < 16; i++)
        host_reset(&segment, i, 0);
    int64_t before = pages_in_use();
    assert_true(before < 20);
    for (uint32_t i = 0; i < 16; i++)
        host_sum(&segment, i, &host);
    service_sum(&segment, 0, &service);
    assert_int_equal(settle_audit_look(&segment, &audit), 0);
    settle_audit_finish(&segment, &audit);
    settle_slot(&segment, 1);
    assert_int_equal(pages_in_use(), before + 1); /* the slot's own row; the blocks' have one */
}

static void marks_never_go_back(void **state)
{
    (void)state;
    segment_use_slot(&segment, 5);
    segment_use_slot(&segment, 2);
    assert_int_equal(segment.daemon->slots_used, 6);
    host_reset(&segment, 9, 0);
    host_reset(&segment, 3, 0);
    assert_int_equal(segment.daemon->hosts_used, 10);
}

static void settling_takes_back_gauges_and_keeps_counters(void **state)
{
    struct service_figures service;
    struct host_figures host;

    (void)state;
    segment_use_slot(&segment, 1);
    service_reset(&segment, 4);
    for (uint32_t i = 0; i < 3; i++)
        host_reset(&segment, i, 0);
    for (int i = 0; i < 5; i++)
        assert_true(host_claim(&segment, 1, 2, 0));
    assert_true(host_claim(&segment, 0, 2, 0));
    host_note_success(&segment, 1, 2, 1000);
    struct service_shard *shard = service_shard(&segment, 1, 4);
    shard->connections = 5;
    shard->waiting = 3;
    shard->connections_total = 9;
    service_shard(&segment, 0, 4)->connections = 1;
    segment.slots[1].connections = 5;
    segment.slots[1].accepted_total = 9;
    for (uint32_t n = 0; n < 1000; n++)
        live_row(&segment, 1, n)->id = n + 1;
    live_row(&segment, 0, SEGMENT_LIVE - 1)->id = 7;
    live_row(&segment, 2, 0)->id = 8;
    uint64_t change = segment.daemon->change;
    int64_t pages = pages_in_use();

    settle_slot(&segment, 1);

    assert_int_equal(segment.hosts[2].in_flight, 1);
    host_sum(&segment, 2, &host);
    assert_int_equal(host.in_flight, 1);
    assert_int_equal(host.connections_total, 1);
    service_sum(&segment, 4, &service);
    assert_int_equal(service.connections, 1);
    assert_int_equal(service.waiting, 0);
    assert_int_equal(service.connections_total, 9);
    assert_int_equal(segment.slots[1].connections, 0);
    assert_int_equal(segment.slots[1].accepted_total, 9);
    for (uint32_t n = 0; n < 1000; n++)
        assert_int_equal(live_row(&segment, 1, n)->id, 0);
    assert_int_equal(live_row(&segment, 0, SEGMENT_LIVE - 1)->id, 7);
    assert_int_equal(live_row(&segment, 2, 0)->id, 8);
    assert_true(segment.daemon->change > change);
    assert_true(pages_in_use() <
                pages + 2); /* reading the zeroed rows brought their pages back */
}

static void settling_tells_of_an_ejection_cut_short(void **state)
{
    (void)state;
    group_reset(&segment, 6);
    group_reset(&segment, 7);
    segment.slots[1].ejecting = 6 + 1;
    settle_slot(&segment, 1);
    assert_int_equal(segment.groups[6].epoch, 1);
    assert_int_equal(segment.groups[7].epoch, 0);
    assert_int_equal(segment.slots[1].ejecting, 0);
    settle_slot(&segment, 1);
    assert_int_equal(segment.groups[6].epoch, 1);
}

static void audit_believes_only_what_it_saw_each_time(void **state)
{
    struct settle_audit audit = {0};

    (void)state;
    segment_use_slot(&segment, 0);
    group_reset(&segment, 0);
    for (uint32_t i = 0; i < 4; i++)
        host_reset(&segment, i, 0);
    for (int look = 0; look < 10; look++) {
        segment.hosts[0].in_flight = 3 + look % 2;      /* leaked: 3 */
        segment.hosts[1].in_flight = look == 4 ? 0 : 9; /* claims on their way */
        segment.hosts[2].in_flight = -2;                /* lowered once too often */
        segment.groups[0].ejected = look == 7 ? 2 : 3;
        assert_int_equal(settle_audit_look(&segment, &audit), 0);
    }
    assert_int_equal(audit.looks, 10);
    settle_audit_finish(&segment, &audit);
    assert_int_equal(segment.hosts[0].in_flight, 1); /* 4 by then */
    assert_int_equal(segment.hosts[1].in_flight, 9);
    assert_int_equal(segment.hosts[2].in_flight, 0);
    assert_int_equal(segment.groups[0].ejected, 1); /* 3 by then */
    assert_int_equal(audit.looks, 0);
    assert_null(audit.hosts);
}

static void audit_leaves_the_ejected_counted(void **state)
{
    const struct host_eject_rules rules = {
        .failures = 1, .time_ns = CLOCK_NS_PER_S, .most_percent = 100, .n_hosts = 2};
    struct settle_audit audit = {0};

    (void)state;
    segment_use_slot(&segment, 0);
    group_reset(&segment, 0);
    host_reset(&segment, 0, 0);
    host_reset(&segment, 1, 0);
    assert_true(host_note_failure(&segment, 0, 1, FAILURE_REFUSED, &rules, 1, NULL));
    segment.groups[0].ejected++; /* as a kill leaves it */
    for (int look = 0; look < 10; look++)
        assert_int_equal(settle_audit_look(&segment, &audit), 0);
    settle_audit_finish(&segment, &audit);
    assert_int_equal(segment.groups[0].ejected, 1);
}

/* --- kills at random instants ------------------------------------------------------------- */

enum { HAMMER_SLOTS = 4, HAMMER_HOSTS = 3, HAMMER_HELD = 4, LIVING_SLOT = 4 };

static const struct host_eject_rules hammer_rules = {
    .failures = 2, .time_ns = 1, .most_percent = 67, .n_hosts = HAMMER_HOSTS};

/* Does all that moves shared words, for ever. */
static void hammer(uint32_t slot)
{
    uint32_t held[HAMMER_HELD];
    uint32_t n_held = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test end before it */
    for (uint64_t i = 0;; i++) {
        uint32_t host = (uint32_t)(i + slot) % HAMMER_HOSTS;
        if (n_held == HAMMER_HELD)
            host_release(&segment, slot, held[--n_held]);
        if (i % 3 == 0 ? host_claim(&segment, slot, host, 50)
                       : host_claim_expected(&segment, slot, host,
                                             segment.hosts[host].in_flight) == CLAIM_TAKEN)
            held[n_held++] = host;
        host_note_failure(&segment, slot, host, FAILURE_TIMEOUT, &hammer_rules, i + 1,
                          "timed out");
        host_readmit(&segment, (host + 1) % HAMMER_HOSTS, i + 100);
        group_next_position(&segment.groups[0], segment.groups[0].epoch, 7, 0);
        live_row(&segment, slot, (uint32_t)(i % 64))->id = i + 1;
    }
}

static pid_t start_hammer(uint32_t slot)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hammer(slot);
        _exit(0);
    }
    return child;
}

static void kill_hammer(pid_t child, uint32_t slot)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    settle_slot(&segment, slot);
}

/* The totals may be too high only, by at most one for each kill; the audit brings them to the truth. */
static void check_leftovers(uint64_t n_kills, const int64_t *living)
{
    struct settle_audit audit = {0};
    int64_t excess = 0;

    for (uint32_t host = 0; host < HAMMER_HOSTS; host++) {
        assert_true(segment.hosts[host].in_flight >= living[host]);
        excess += segment.hosts[host].in_flight - living[host];
    }
    assert_true(excess <= (int64_t)n_kills);
    for (int look = 0; look < 10; look++)
        assert_int_equal(settle_audit_look(&segment, &audit), 0);
    settle_audit_finish(&segment, &audit);
    uint32_t ejected = 0;
    for (uint32_t host = 0; host < HAMMER_HOSTS; host++) {
        assert_int_equal(segment.hosts[host].in_flight, living[host]);
        ejected += segment.hosts[host].ejected_until_ns != 0;
    }
    assert_int_equal(segment.groups[0].ejected, ejected);
}

static void check_nobody_is_in_the_way(void)
{
    struct host_figures figures;
    char reason[HOST_REASON_BYTES];

    for (uint32_t slot = 0; slot < HAMMER_SLOTS; slot++)
        for (uint32_t n = 0; n < 64; n++)
            assert_int_equal(live_row(&segment, slot, n)->id, 0);
    for (uint32_t host = 0; host < HAMMER_HOSTS; host++) {
        host_sum(&segment, host, &figures);
        host_read_reason(&segment.hosts[host], reason);
        assert_string_equal(reason, "timed out");
        host_readmit(&segment, host, UINT64_MAX);
        assert_true(host_claim(&segment, LIVING_SLOT, host, figures.in_flight + 1));
        assert_false(host_claim(&segment, LIVING_SLOT, host, figures.in_flight + 1));
        host_release(&segment, LIVING_SLOT, host);
    }
    assert_int_equal(segment.groups[0].ejected, 0);
}

static void kills_at_any_instant_leave_nothing_behind(void **state)
{
    const int64_t living[HAMMER_HOSTS] = {2, 0, 1};
    pid_t children[HAMMER_SLOTS];
    uint64_t n_kills = 0, counted = 0;

    (void)state;
    for (uint32_t slot = 0; slot <= LIVING_SLOT; slot++)
        segment_use_slot(&segment, slot);
    group_reset(&segment, 0);
    for (uint32_t host = 0; host < HAMMER_HOSTS; host++) {
        host_reset(&segment, host, 0);
        host_set_weight(&segment, host, 1);
        for (int64_t i = 0; i < living[host]; i++)
            assert_true(host_claim(&segment, LIVING_SLOT, host, 0));
    }
    for (uint32_t slot = 0; slot < HAMMER_SLOTS; slot++)
        children[slot] = start_hammer(slot);
    /* One by one while the others go on, for as long as a test may take. */
    uint64_t until_ns = clock_now_ns() + 3 * CLOCK_NS_PER_S;
    for (uint32_t slot = 0; clock_now_ns() < until_ns; slot = (slot + 1) % HAMMER_SLOTS) {
        /* Not before it has done something since its start: its counter grows. */
        uint64_t seen = host_shard(&segment, slot, 0)->failures[FAILURE_TIMEOUT];
        while (host_shard(&segment, slot, 0)->failures[FAILURE_TIMEOUT] < seen + 10)
            ;
        kill_hammer(children[slot], slot);
        n_kills++;
        children[slot] = start_hammer(slot);
    }
    for (uint32_t slot = 0; slot < HAMMER_SLOTS; slot++) {
        kill_hammer(children[slot], slot);
        n_kills++;
        counted += host_shard(&segment, slot, 0)->failures[FAILURE_TIMEOUT];
    }
    assert_true(n_kills > 20);
    assert_true(counted >= 10 * (n_kills - HAMMER_SLOTS));
    check_leftovers(n_kills, living);
    check_nobody_is_in_the_way();
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_segment, close_segment)

/* A worker gone mad has written over all that it can reach. */
static void scribbled_rows_stop_nobody(void **state)
{
    struct host_figures figures;
    struct service_figures service;

    (void)state;
    host_reset(&segment, 0, 0);
    group_reset(&segment, 0);
    service_reset(&segment, 0);
    atomic_store(&segment.daemon->slots_used, UINT32_MAX);
    atomic_store(&segment.daemon->hosts_used, UINT32_MAX);
    atomic_store(&segment.daemon->groups_used, UINT32_MAX);
    atomic_store(&segment.daemon->services_used, UINT32_MAX);
    atomic_store(&segment.slots[3].ejecting, UINT32_MAX);
    atomic_store(&segment.hosts[0].group, UINT32_MAX);
    atomic_store(&segment.hosts[0].ejected_until_ns, 1);
    settle_slot(&segment, 3);
    host_set_admin(&segment, 0, ADMIN_DOWN);
    host_set_weight(&segment, 0, 7);
    host_sum(&segment, 0, &figures);
    service_sum(&segment, 0, &service);
    host_forget(&segment, 0);
    host_reset(&segment, 1, 1);
    service_reset(&segment, 1);
    assert_int_equal(atomic_load(&segment.hosts[1].group), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(is_seen_by_whoever_attaches),
        PROMISE(refuses_another_layout),
        PROMISE(has_the_sizes_that_were_asked_for),
        PROMISE(finds_the_parts_in_use),
        PROMISE(cannot_be_cut_or_grown),
        PROMISE(stays_out_of_core_dumps),
        PROMISE(figures_touch_only_what_was_ever_used),
        PROMISE(marks_never_go_back),
        PROMISE(settling_takes_back_gauges_and_keeps_counters),
        PROMISE(settling_tells_of_an_ejection_cut_short),
        PROMISE(audit_believes_only_what_it_saw_each_time),
        PROMISE(audit_leaves_the_ejected_counted),
        PROMISE(scribbled_rows_stop_nobody),
        PROMISE(kills_at_any_instant_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
