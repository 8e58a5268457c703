/* SPDX-License-Identifier: MIT */
/* Tests of the diff: patch(1) makes the one text of the other, and no shorter diff does. */
#include "base/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"

static char folder[] = "/tmp/gaidaros-diff-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int run(const char *words)
{
    char command[256];
    snprintf(command, sizeof command, "cd %s && %s", folder, words);
    return system(command);
}

static size_t count_changes(const char *diff)
{
    size_t n = 0;
    bool is_head = true;
    for (const char *c = diff; c != NULL && *c != '\0'; c = strchr(c, '\n'), c += c != NULL) {
        is_head = is_head && strncmp(c, "@@", 2) != 0;
        n += !is_head && (*c == '+' || *c == '-');
    }
    return n;
}

/* Length of the longest common subsequence of lines, the slow and plain way. */
static size_t common(const char *const *a, size_t n, const char *const *b, size_t m)
{
    size_t table[64][64] = {{0}};
    for (size_t i = 1; i <= n; i++)
        for (size_t k = 1; k <= m; k++) {
            size_t without =
                table[i - 1][k] > table[i][k - 1] ? table[i - 1][k] : table[i][k - 1];
            table[i][k] = strcmp(a[i - 1], b[k - 1]) == 0 ? table[i - 1][k - 1] + 1 : without;
        }
    return table[n][m];
}

static void equal_texts_differ_in_nothing(void **state)
{
    (void)state;
    struct text out = {0};
    diff_unified(&out, "a", "one\ntwo\n", "b", "one\ntwo\n");
    diff_unified(&out, "a", "", "b", "");
    assert_int_equal(out.length, 0);
}

static void reads_as_people_know_it(void **state)
{
    (void)state;
    struct text out = {0};
    diff_unified(&out, "written", "1\n2\n3\n4\n5\n6\n7\n8\n", "running",
                 "1\n2\n3\n4\nfive\n6\n7\n8\n");
    assert_string_equal(
        out.at,
        "--- written\n+++ running\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    text_fini(&out);
}

static void patch_makes_the_one_of_the_other_and_nothing_is_shorter(void **state)
{
    (void)state;
    static const char *const words[] = {"alpha\n", "beta\n", "gamma\n", "\n", "delta\n"};
    struct random random;
    random_init(&random, 42);
    for (int round = 0; round < 60; round++) {
        const char *lines[2][64];
        size_t n[2];
        struct text texts[2] = {{0}, {0}};
        struct text diff = {0};
        for (int side = 0; side < 2; side++) {
            n[side] = random_below(&random, 40);
            for (size_t i = 0; i < n[side]; i++) {
                lines[side][i] = words[random_below(&random, 5)];
                text_add(&texts[side], lines[side][i]);
            }
            text_add(&texts[side], "");
        }
        const char *from = texts[0].at != NULL ? texts[0].at : "",
                   *to = texts[1].at != NULL ? texts[1].at : "";
        diff_unified(&diff, "a", from, "b", to);
        size_t least = n[0] + n[1] - 2 * common(lines[0], n[0], lines[1], n[1]);
        assert_int_equal(count_changes(diff.at), least);
        if (least > 0) {
            put("a", from);
            put("b", to);
            put("d", diff.at);
            assert_int_equal(run("patch -s a d > /dev/null && if [ -s b ]; then cmp a b; else "
                                 "! [ -s a ]; fi"),
                             0);
        }
        text_fini(&diff);
        text_fini(&texts[0]);
        text_fini(&texts[1]);
    }
}

static void a_last_line_without_an_end_is_told(void **state)
{
    (void)state;
    struct text out = {0};
    diff_unified(&out, "a", "x", "b", "x\n");
    assert_non_null(strstr(out.at, "-x\n\\ No newline at end of file\n+x\n"));
    text_fini(&out);
}

static void texts_with_nothing_in_common_cost_little(void **state)
{
    (void)state;
    struct text from = {0}, to = {0}, out = {0};
    for (int i = 0; i < 20000; i++) {
        text_printf(&from, "a%d\n", i);
        text_printf(&to, "b%d\n", i);
    }
    diff_unified(&out, "a", from.at, "b", to.at);
    assert_int_equal(count_changes(out.at), 40000);
    text_fini(&from);
    text_fini(&to);
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_differ_in_nothing),
        cmocka_unit_test(reads_as_people_know_it),
        cmocka_unit_test(patch_makes_the_one_of_the_other_and_nothing_is_shorter),
        cmocka_unit_test(a_last_line_without_an_end_is_told),
        cmocka_unit_test(texts_with_nothing_in_common_cost_little),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
