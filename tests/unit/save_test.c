/* SPDX-License-Identifier: MIT */
/* Tests of writing a configuration back: what is not changed stays letter by letter. */
#include "conf/save.h"

#include "conf_fixture.h"

#include "conf/edit.h"
#include "conf/overlay.h"
#include "conf/write.h"

static const char original[] = "# The front door.\n"
                               "\n"
                               "[service web]\n"
                               "listen  =  127.0.0.1:8080   ; inside only\n"
                               "group = main\n"
                               "; spare machines\n"
                               "standby = spare\n"
                               "\n"
                               "# The machines.\n"
                               "[group main]\n"
                               "host = a 10.0.0.1:80 weight=${WEIGHT:-2} ; the old one\n"
                               "# b is slow\n"
                               "host = b 10.0.0.2:80\n"
                               "queue_timeout = 60s\n"
                               "\n"
                               "; not used much\n"
                               "; really\n"
                               "[group spare]\n"
                               "host = \"s\" 10.0.0.3:80";

struct rig {
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 16];
    struct model *disk;
};

static struct model *load(const char *path)
{
    struct problems problems = {0};
    struct model *model = conf_load(&(struct conf_request){.path = path}, &problems);
    if (model == NULL)
        fail_msg("%s", problems.errors.at);
    problems_fini(&problems);
    return model;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    folder_make(rig->folder);
    snprintf(rig->path, sizeof rig->path, "%s/a.conf", rig->folder);
    put(rig->path, original);
    rig->disk = load(rig->path);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    conf_free(rig->disk);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

static char *print(const struct model *model)
{
    struct text text = {0};
    conf_write(&text, model);
    return text_take(&text);
}

/* Saves and returns the file's new text, after a look that it says what is wanted. Takes wanted. */
static char *save(struct rig *rig, struct model *wanted)
{
    struct saved_file file = {
        .path = rig->path, .bytes = original, .length = sizeof original - 1};
    char *before = print(wanted);
    assert_true(conf_save(&file, 1, rig->disk, wanted));
    char *text = text_take(&file.text);
    put(rig->path, text);
    struct model *again = load(rig->path);
    char *after = print(again);
    assert_string_equal(after, before);
    conf_free(again);
    conf_free(wanted);
    free(before);
    free(after);
    return text;
}

static struct model *edited(const struct model *model, const struct edit *edit)
{
    const struct addresses none = {0};
    const uint32_t in_force[4] = {0};
    struct edit_verdict verdict = {0};
    struct model *next = conf_edit(model, edit, &none, in_force, &verdict);
    if (next == NULL)
        fail_msg("%s", verdict.text.at);
    edit_verdict_fini(&verdict);
    return next;
}

/* The original with one piece in place of another. */
static void expect(const char *text, const char *from, const char *to)
{
    const char *at = strstr(original, from);
    char wanted[2048];
    assert_non_null(at);
    snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(at - original), original, to,
             at + strlen(from));
    assert_string_equal(text, wanted);
}

static void what_is_the_same_stays_letter_by_letter(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, load(rig->path));
    assert_string_equal(text, original);
    free(text);
}

static void a_new_host_comes_behind_the_last(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, edited(rig->disk, &(struct edit){EDIT_ADD_HOST, "web", "main", "c",
                                                            "10.0.0.9:80 weight=4", NULL}));
    expect(text, "host = b 10.0.0.2:80\n",
           "host = b 10.0.0.2:80\nhost = c 10.0.0.9:80 weight=4\n");
    free(text);
}

static void a_deleted_host_goes_with_nothing_else(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, edited(rig->disk, &(struct edit){EDIT_DELETE_HOST, "web", "main",
                                                            "a", NULL, NULL}));
    expect(text, "host = a 10.0.0.1:80 weight=${WEIGHT:-2} ; the old one\n", "");
    free(text);
}

static void a_changed_value_keeps_its_place_and_comment(void **state)
{
    struct rig *rig = *state;
    const struct overlay_host hosts[] = {
        {HOST_SET_DRAIN, 7}, {HOST_SET_UP, 1}, {HOST_SET_UP, 1}};
    const uint32_t in_force[] = {0};
    struct problems problems = {0};
    char *text = save(rig, conf_overlay(rig->disk, hosts, in_force, &problems));
    expect(text, "a 10.0.0.1:80 weight=${WEIGHT:-2} ;", "a 10.0.0.1:80 weight=7 state=drain ;");
    free(text);
}

static void a_new_key_goes_into_its_section(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, edited(rig->disk, &(struct edit){EDIT_CHANGE_SCHEDULER, "web",
                                                            "main", NULL, "leastconn", NULL}));
    expect(text, "queue_timeout = 60s\n", "queue_timeout = 60s\nscheduler = leastconn\n");
    free(text);
}

static void a_section_goes_with_its_comment(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, edited(rig->disk, &(struct edit){EDIT_DELETE_GROUP, "web", "spare",
                                                            NULL, NULL, NULL}));
    assert_null(strstr(text, "really"));
    assert_null(strstr(text, "[group spare]"));
    assert_non_null(strstr(text, "; spare machines\n"));
    free(text);
}

static void a_new_section_is_last_and_a_missing_end_of_line_is_made(void **state)
{
    struct rig *rig = *state;
    char *text = save(rig, edited(rig->disk, &(struct edit){EDIT_NEW_SERVICE, "alt", "main",
                                                            NULL, "127.0.0.1:8090", NULL}));
    expect(
        text, "host = \"s\" 10.0.0.3:80",
        "host = \"s\" 10.0.0.3:80\n\n[service alt]\nlisten = 127.0.0.1:8090\ngroup = main\n");
    free(text);
}

static void the_group_in_force_changes_places(void **state)
{
    struct rig *rig = *state;
    const struct overlay_host hosts[] = {{HOST_SET_UP, 2}, {HOST_SET_UP, 1}, {HOST_SET_UP, 1}};
    const uint32_t in_force[] = {1};
    struct problems problems = {0};
    char *text = save(rig, conf_overlay(rig->disk, hosts, in_force, &problems));
    expect(text, "group = main\n; spare machines\nstandby = spare\n",
           "group = spare\n; spare machines\nstandby = main\n");
    free(text);
}

static void what_the_command_line_says_is_not_written(void **state)
{
    struct rig *rig = *state;
    const struct conf_override override = {"global", "workers", "3"};
    const struct conf_request request = {
        .path = rig->path, .overrides = &override, .n_overrides = 1};
    struct problems problems = {0};
    struct saved_file file = {
        .path = rig->path, .bytes = original, .length = sizeof original - 1};
    struct model *disk = conf_load(&request, &problems),
                 *wanted = conf_load(&request, &problems);
    assert_true(conf_save(&file, 1, disk, wanted));
    assert_false(file.is_changed);
    text_fini(&file.text);
    conf_free(disk);
    conf_free(wanted);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_the_same_stays_letter_by_letter),
        TEST(a_new_host_comes_behind_the_last),
        TEST(a_deleted_host_goes_with_nothing_else),
        TEST(a_changed_value_keeps_its_place_and_comment),
        TEST(a_new_key_goes_into_its_section),
        TEST(a_section_goes_with_its_comment),
        TEST(a_new_section_is_last_and_a_missing_end_of_line_is_made),
        TEST(the_group_in_force_changes_places),
        TEST(what_the_command_line_says_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
