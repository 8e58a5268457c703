/* SPDX-License-Identifier: MIT */
/* Tests of base/list. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list_node node;
};

static int number_of(struct list_node *node)
{
    return container_of(node, struct item, node)->number;
}

/* The numbers of the list as decimal digits, first in front. */
static int digits_of(struct list_node *head)
{
    int digits = 0;
    LIST_FOREACH(node, head)
        digits = digits * 10 + number_of(node);
    return digits;
}

static void keeps_order_of_append(void **state)
{
    (void)state;
    struct list_node head;
    struct item one = {.number = 1}, two = {.number = 2}, three = {.number = 3};
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_append(&head, &one.node);
    list_append(&head, &two.node);
    list_append(&head, &three.node);
    assert_false(list_is_empty(&head));
    assert_int_equal(digits_of(&head), 123);
}

static void prepends_before_the_first(void **state)
{
    (void)state;
    struct list_node head;
    struct item one = {.number = 1}, two = {.number = 2}, three = {.number = 3};
    list_init(&head);
    list_prepend(&head, &one.node);
    list_prepend(&head, &two.node);
    list_append(&head, &three.node);
    assert_int_equal(digits_of(&head), 213);
}

static void knows_whether_a_node_is_linked(void **state)
{
    (void)state;
    struct list_node head;
    struct item one = {.number = 1};
    list_init(&head);
    assert_false(list_is_linked(&one.node));
    list_append(&head, &one.node);
    assert_true(list_is_linked(&one.node));
    list_remove(&one.node);
    assert_false(list_is_linked(&one.node));
    assert_true(list_is_empty(&head));
}

static void removing_twice_does_nothing(void **state)
{
    (void)state;
    struct list_node head;
    struct item one = {.number = 1}, two = {.number = 2};
    list_init(&head);
    list_append(&head, &one.node);
    list_append(&head, &two.node);
    list_remove(&one.node);
    list_remove(&one.node);
    assert_int_equal(digits_of(&head), 2);
}

static void current_node_may_go_while_iterating(void **state)
{
    (void)state;
    struct list_node head;
    struct item items[6];
    list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i] = (struct item){.number = i + 1};
        list_append(&head, &items[i].node);
    }
    LIST_FOREACH_SAFE(node, after, &head) {
        if (number_of(node) % 2 == 0)
            list_remove(node);
    }
    assert_int_equal(digits_of(&head), 135);
    LIST_FOREACH_SAFE(node, after, &head)
        list_remove(node);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_of_append),
        cmocka_unit_test(prepends_before_the_first),
        cmocka_unit_test(knows_whether_a_node_is_linked),
        cmocka_unit_test(removing_twice_does_nothing),
        cmocka_unit_test(current_node_may_go_while_iterating),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
