/* SPDX-License-Identifier: MIT */
/* Adoption: who accepts for whom, what they are told of it, and when it is over. */
#include "master/adoption.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master_rig.h"

/* A daemon of four workers on one address. */
static void serve(struct master_rig *rig)
{
    struct text text = {0};
    text_add(&text, "[global]\nlog = /dev/null\npidfile =\ncontrol =\nworkers = 4\n"
                    "[service web]\ngroup = main\n");
    master_rig_print_listen(&text, 8000);
    text_add(&text, "[group main]\nhost = a 127.0.0.1:1\n");
    master_rig_open(rig, text.at, 4);
    master_rig_ask(rig, NULL);
    master_rig_agree(rig);
    master_rig_forget(rig);
    text_fini(&text);
}

static struct child *child_of(struct master_rig *rig, uint32_t slot)
{
    return &rig->master->children.places[slot];
}

/* As after its death, before its next start. */
static void kill_worker(struct master_rig *rig, uint32_t slot)
{
    child_of(rig, slot)->state = CHILD_WAITING;
    adoption_forget(rig->master, child_of(rig, slot));
}

static void the_idlest_sibling_accepts_until_the_worker_is_back(void **state)
{
    struct master_rig rig;

    (void)state;
    serve(&rig);
    for (uint32_t slot = 0; slot < 4; slot++)
        atomic_store(&rig.master->segment.slots[slot].connections, 10 - slot);
    kill_worker(&rig, 3);
    adoption_review(rig.master);
    assert_int_equal(child_of(&rig, 3)->adopter, 2);
    assert_true(master_rig_hear(&rig, 2));
    assert_int_equal(rig.received.head.kind, MSG_ADOPT);
    assert_int_equal(rig.received.head.number, 3);
    assert_int_equal(rig.received.length, sizeof(uint32_t));
    adoption_review(rig.master); /* nothing has changed */
    assert_false(master_rig_hear(&rig, 2));

    child_of(&rig, 3)->state = CHILD_UP;
    adoption_review(rig.master);
    assert_true(master_rig_hear(&rig, 2));
    assert_int_equal(rig.received.head.kind, MSG_RELEASE);
    assert_int_equal(rig.received.head.number, 3);
    assert_int_equal(child_of(&rig, 3)->adopter, CHILD_PLACES);
    master_rig_close(&rig);
}

static void orphans_are_spread_over_the_siblings(void **state)
{
    struct master_rig rig;

    (void)state;
    serve(&rig);
    atomic_store(&rig.master->segment.slots[1].connections, 1000);
    kill_worker(&rig, 2);
    kill_worker(&rig, 3);
    adoption_review(rig.master);
    assert_int_not_equal(child_of(&rig, 2)->adopter, child_of(&rig, 3)->adopter);
    assert_int_equal(master_rig_count(&rig, 0, MSG_ADOPT), 1);
    assert_int_equal(master_rig_count(&rig, 1, MSG_ADOPT), 1);
    master_rig_close(&rig);
}

static void an_adopter_that_dies_is_replaced_too(void **state)
{
    struct master_rig rig;

    (void)state;
    serve(&rig);
    kill_worker(&rig, 3);
    adoption_review(rig.master);
    uint32_t first = child_of(&rig, 3)->adopter;
    assert_int_not_equal(first, CHILD_PLACES);
    kill_worker(&rig, first);
    adoption_review(rig.master);
    assert_in_range(child_of(&rig, 3)->adopter, 0, 2);
    assert_int_not_equal(child_of(&rig, 3)->adopter, first);
    assert_in_range(child_of(&rig, first)->adopter, 0, 2);
    master_rig_close(&rig);
}

static void nobody_who_leaves_or_starts_accepts_for_others(void **state)
{
    struct master_rig rig;

    (void)state;
    serve(&rig);
    child_of(&rig, 0)->is_leaving = true;
    child_of(&rig, 1)->state = CHILD_STARTING;
    kill_worker(&rig, 2);
    child_of(&rig, 3)->is_leaving = true;
    adoption_review(rig.master);
    assert_int_equal(child_of(&rig, 2)->adopter, CHILD_PLACES);
    child_of(&rig, 3)->is_leaving = false;
    adoption_review(rig.master);
    assert_int_equal(child_of(&rig, 2)->adopter, 3);
    master_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_idlest_sibling_accepts_until_the_worker_is_back),
        cmocka_unit_test(orphans_are_spread_over_the_siblings),
        cmocka_unit_test(an_adopter_that_dies_is_replaced_too),
        cmocka_unit_test(nobody_who_leaves_or_starts_accepts_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
