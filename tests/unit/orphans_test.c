/* SPDX-License-Identifier: MIT */
/* Tests of whose children are told apart. */
#include "master/orphans.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define IS_CHILD(words) orphans_is_child(words, sizeof(words), 4711)

static void knows_the_children_of_one_master(void **state)
{
    (void)state;
    assert_true(IS_CHILD("gaidaros: worker\0"
                         "3\0of\0"
                         "4711"));
    assert_true(IS_CHILD("gaidaros: director\0of\0"
                         "4711"));
}

static void takes_nobody_else_for_one(void **state)
{
    (void)state;
    assert_false(IS_CHILD("gaidaros: worker\0"
                          "3\0of\0"
                          "14711"));
    assert_false(IS_CHILD("gaidaros: worker\0"
                          "3\0of\0"
                          "471"));
    assert_false(IS_CHILD("gaidaros: worker\0"
                          "3\0of 4711"));
    assert_false(IS_CHILD("gaidaros: worker 3 of 4711"));
    assert_false(IS_CHILD("gaidaros: workers\0"
                          "3\0of\0"
                          "4711"));
    assert_false(IS_CHILD("vi\0of\0"
                          "4711"));
    assert_false(orphans_is_child("", 0, 4711));
    assert_false(orphans_is_child("gaidaros: worker\0"
                                  "3\0of\0"
                                  "4711",
                                  22, 4711)); /* cut before its end */
}

/* A stopped child under an orphan's name. */
static pid_t start_named(const char *master)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "gaidaros: worker", "-c", "kill -STOP $$", "of", master, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static void kills_a_stopped_orphan_and_leaves_others(void **state)
{
    (void)state;
    int status = 0;
    /* No process has these numbers: they are above the kernel's highest. */
    pid_t orphan = start_named("2000000001"), other = start_named("2000000002");
    assert_int_equal(orphans_end_stopped(2000000001), 1);
    assert_int_equal(waitpid(orphan, &status, 0), orphan);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(waitpid(other, &status, WNOHANG | WUNTRACED), 0);
    assert_int_equal(kill(other, SIGKILL), 0);
    assert_int_equal(waitpid(other, &status, 0), other);
}

static void spares_children_whose_master_lives(void **state)
{
    (void)state;
    int status = 0;
    char own[16];
    snprintf(own, sizeof own, "%d", (int)getpid());
    pid_t child = start_named(own);
    assert_int_equal(orphans_end_stopped(getpid()), 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_children_of_one_master),
        cmocka_unit_test(takes_nobody_else_for_one),
        cmocka_unit_test(kills_a_stopped_orphan_and_leaves_others),
        cmocka_unit_test(spares_children_whose_master_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
