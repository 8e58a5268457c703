/* SPDX-License-Identifier: MIT */
/* A rollout: all agree or nobody does, and one that is given up leaves nothing behind anywhere. */
#include "master/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "master/departure.h"
#include "master/greeting.h"
#include "master_rig.h"

enum { WORKERS = 2, FIRST_PORT = 8000 };

/* A configuration that listens on one port or two (0 = none); kept in a buffer of the caller's. */
static const char *conf(struct text *out, uint16_t first, uint16_t second)
{
    text_clear(out);
    text_printf(out, "[global]\nlog = /dev/null\npidfile =\ncontrol =\nworkers = %d\n",
                WORKERS);
    text_add(out, "[service web]\ngroup = main\n");
    master_rig_print_listen(out, first);
    if (second != 0)
        master_rig_print_listen(out, second);
    text_add(out, "[group main]\nhost = a 127.0.0.1:1\n");
    return out->at;
}

/* A daemon that serves its first configuration, and a second port. */
struct fixture {
    struct master_rig rig;
    struct text text;
    uint16_t first, second;
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.first = FIRST_PORT, .second = FIRST_PORT + 1};
    master_rig_open(&f->rig, conf(&f->text, f->first, 0), WORKERS);
    master_rig_ask(&f->rig, NULL);
    master_rig_agree(&f->rig);
    master_rig_forget(&f->rig);
}

static void close_fixture(struct fixture *f)
{
    master_rig_close(&f->rig);
    text_fini(&f->text);
}

static struct rollout *rollout_of(struct fixture *f)
{
    return &f->rig.master->rollout;
}

/* Ids of the sockets that the worker was lent and has not been told to drop since. */
static size_t count_lent(struct fixture *f, uint32_t place)
{
    size_t n = 0;
    while (master_rig_hear(&f->rig, place)) {
        size_t ids = f->rig.received.length / sizeof(uint32_t);
        if (f->rig.received.head.kind == MSG_SOCKETS)
            n += ids;
        if (f->rig.received.head.kind == MSG_DROP)
            n -= ids;
    }
    return n;
}

static uint64_t failed(struct fixture *f)
{
    return atomic_load(&f->rig.master->segment.daemon->reloads_failed);
}

static void is_committed_when_all_agree(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_PREPARING);
    uint64_t generation = rollout_of(&f)->next->generation;
    master_rig_say(&f.rig, 0, MSG_READY, generation, NULL);
    master_rig_say(&f.rig, CHILD_DIRECTOR, MSG_READY, generation, NULL);
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_PREPARING);
    assert_int_equal(master_rig_count(&f.rig, 0, MSG_COMMIT), 0);
    master_rig_say(&f.rig, 1, MSG_READY, generation, NULL);
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_COMMITTING);
    for (uint32_t slot = 0; slot < WORKERS; slot++) {
        assert_int_equal(master_rig_count(&f.rig, slot, MSG_COMMIT), 1);
        master_rig_say(&f.rig, slot, MSG_COMMITTED, generation, NULL);
    }
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_COMMITTING);
    master_rig_say(&f.rig, CHILD_DIRECTOR, MSG_COMMITTED, generation, NULL);
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_IDLE);
    assert_int_equal(rollout_of(&f)->current->generation, generation);
    close_fixture(&f);
}

static void one_refusal_gives_it_up_for_all(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    uint64_t before = rollout_of(&f)->current->generation;
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    uint64_t generation = rollout_of(&f)->next->generation;
    master_rig_say(&f.rig, 0, MSG_READY, generation, NULL);
    master_rig_say(&f.rig, 1, MSG_REFUSED, generation, "no\n");
    assert_int_equal(rollout_of(&f)->stage, ROLLOUT_IDLE);
    assert_int_equal(rollout_of(&f)->current->generation, before);
    assert_int_equal(failed(&f), 1);
    assert_int_equal(master_rig_count(&f.rig, 0, MSG_ABORT), 1);
    assert_int_equal(master_rig_count(&f.rig, CHILD_DIRECTOR, MSG_ABORT), 1);
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    master_rig_agree(&f.rig);
    close_fixture(&f);
}

static void sockets_lent_for_it_are_taken_back_from_all(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    master_rig_say(&f.rig, 1, MSG_REFUSED, rollout_of(&f)->next->generation, "no\n");
    for (uint32_t slot = 0; slot < WORKERS; slot++)
        assert_int_equal(count_lent(&f, slot), 0);
    close_fixture(&f);
}

static void one_that_still_starts_gives_its_sockets_back_too(void **state)
{
    struct fixture f;
    struct child *child;

    (void)state;
    open_fixture(&f);
    /* Replaced just now: it was asked to begin with the current one and has not answered. */
    child = &f.rig.master->children.places[1];
    child->state = CHILD_STARTING;
    child->prepared = child->committed = 0;
    greeting_prepare(child, rollout_of(&f)->current);
    master_rig_forget(&f.rig);
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    master_rig_say(&f.rig, 0, MSG_REFUSED, rollout_of(&f)->next->generation, "no\n");
    assert_int_equal(count_lent(&f, 1), 0);
    child->state = CHILD_UP;
    close_fixture(&f);
}

static void nothing_that_leaves_is_lent_a_revived_address(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    struct listener *listener =
        container_of(f.rig.master->listeners.all.next, struct listener, node);
    f.rig.master->children.places[1].is_leaving = true;
    listener->is_refusing = listener->is_dropped = listener->is_wanted = true;
    departure_revive_wanted(f.rig.master);
    assert_int_equal(master_rig_count(&f.rig, 0, MSG_SOCKETS), 1);
    assert_int_equal(master_rig_count(&f.rig, 1, MSG_SOCKETS), 0);
    f.rig.master->children.places[1].is_leaving = false;
    close_fixture(&f);
}

static void requests_that_come_meanwhile_share_the_next_one(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    uint64_t before = rollout_of(&f)->current->generation;
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    master_rig_ask(&f.rig, conf(&f.text, f.first, 0));
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    assert_int_equal(rollout_of(&f)->next->generation, before + 1);
    uint64_t generation = rollout_of(&f)->next->generation;
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        if (rollout_has(rollout_of(&f), place))
            master_rig_say(&f.rig, place, MSG_READY, generation, NULL);
    for (uint32_t place = 0; place < CHILD_PLACES; place++)
        if (rollout_has(rollout_of(&f), place))
            master_rig_say(&f.rig, place, MSG_COMMITTED, generation, NULL);
    assert_int_equal(rollout_of(&f)->next->generation, before + 2); /* it begins by itself */
    master_rig_agree(&f.rig);
    close_fixture(&f);
}

static void old_configuration_is_kept_until_its_last_user_says_so(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    uint64_t before = rollout_of(&f)->current->generation;
    master_rig_ask(&f.rig, conf(&f.text, f.first, f.second));
    master_rig_agree(&f.rig);
    master_rig_say(&f.rig, 0, MSG_RETIRED, before, NULL);
    master_rig_say(&f.rig, CHILD_DIRECTOR, MSG_RETIRED, before, NULL);
    assert_non_null(editions_find(rollout_of(&f), before));
    master_rig_say(&f.rig, 1, MSG_RETIRED, before, NULL);
    assert_null(editions_find(rollout_of(&f), before));
    close_fixture(&f);
}

/* A configuration whose log is a file. */
static const char *conf_with_log(struct text *out, const char *log, uint16_t port)
{
    text_clear(out);
    text_printf(out, "[global]\nlog = %s\npidfile =\ncontrol =\nworkers = %d\n", log, WORKERS);
    text_add(out, "[service web]\ngroup = main\n");
    master_rig_print_listen(out, port);
    text_add(out, "[group main]\nhost = a 127.0.0.1:1\n");
    return out->at;
}

/* True when the descriptor is the file that has the name now. */
static bool is_file(int fd, const char *path)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

static bool reopen(const struct master_rig *rig)
{
    struct problems problems = {0};
    bool is_fine = rollout_reopen_logs(rig->master, &problems);
    problems_fini(&problems);
    return is_fine;
}

static void rotated_logs_stay_rotated_whenever_it_is_asked_for(void **state)
{
    struct fixture f = {.first = FIRST_PORT};
    char folder[] = "/tmp/rollout.XXXXXX", log[64], before[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(log, sizeof log, "%s/log", folder);
    snprintf(before, sizeof before, "%s/log.1", folder);
    struct master_rig *rig = &f.rig;
    master_rig_open(rig, conf_with_log(&f.text, log, f.first), WORKERS);
    assert_true(reopen(rig)); /* nothing to reopen yet, and nothing happens */
    master_rig_ask(rig, NULL);
    /* Before the first commit. */
    assert_int_equal(rename(log, before), 0);
    assert_true(reopen(rig));
    assert_true(is_file(rig->master->sinks.log.fd, log));
    master_rig_agree(rig);
    assert_true(is_file(rig->master->sinks.log.fd, log));
    /* While the next is prepared. */
    master_rig_ask(rig, conf_with_log(&f.text, log, f.first));
    assert_int_equal(rename(log, before), 0);
    assert_true(reopen(rig));
    assert_true(is_file(rig->master->sinks.log.fd, log));
    master_rig_agree(rig);
    assert_true(is_file(rig->master->sinks.log.fd, log));
    /* And with nothing under way. */
    assert_int_equal(rename(log, before), 0);
    assert_true(reopen(rig));
    assert_true(is_file(rig->master->sinks.log.fd, log));
    close_fixture(&f);
    unlink(log);
    unlink(before);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_committed_when_all_agree),
        cmocka_unit_test(one_refusal_gives_it_up_for_all),
        cmocka_unit_test(sockets_lent_for_it_are_taken_back_from_all),
        cmocka_unit_test(one_that_still_starts_gives_its_sockets_back_too),
        cmocka_unit_test(nothing_that_leaves_is_lent_a_revived_address),
        cmocka_unit_test(requests_that_come_meanwhile_share_the_next_one),
        cmocka_unit_test(rotated_logs_stay_rotated_whenever_it_is_asked_for),
        cmocka_unit_test(old_configuration_is_kept_until_its_last_user_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
