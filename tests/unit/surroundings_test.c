/* SPDX-License-Identifier: MIT */
/* Promises of conf/surroundings: what a start on this machine would fail at. */
#include "conf/surroundings.h"

#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "conf_fixture.h"

static char folder[FOLDER_BYTES];

static int make_folder(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void assert_global_accepted(const char *line)
{
    char text[1024];
    snprintf(text, sizeof text, "[global]\n%s\n" BASE_LINES, line);
    conf_free(load_good(text));
}

static void accounts_exist_and_are_not_root(void **state)
{
    (void)state;
    assert_global_refused("user = nosuchuser", "[global] user: nosuchuser is no account");
    assert_global_refused("user = root", "[global] user: root is root");
    assert_global_refused("user = 0", "[global] user: 0 is no account");
    assert_global_refused("group = nosuchgroup", "[global] group: nosuchgroup is no group");
    assert_global_refused("group = root", "[global] group: root is root's group");
    if (getpwnam("nobody") != NULL)
        assert_global_accepted("user = nobody");
    if (getgrnam("nogroup") != NULL)
        assert_global_accepted("group = nogroup");
}

static void assert_file_refused(const char *key, const char *name, const char *says)
{
    char line[512];
    snprintf(line, sizeof line, "%s = %s/%s", key, folder, name);
    assert_global_refused(line, says);
}

static void assert_file_accepted(const char *key, const char *name)
{
    char line[512];
    snprintf(line, sizeof line, "%s = %s/%s", key, folder, name);
    assert_global_accepted(line);
}

static void files_to_be_made_can_be_made(void **state)
{
    (void)state;
    static const char *const keys[] = {"pidfile", "control", "log", "access_log"};
    char path[256];
    mkdir(folder_path(path, folder, "sub"), 0755);
    file_make(folder, "there", "");
    assert_int_equal(symlink("/dev/null", folder_path(path, folder, "link")), 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_file_accepted(keys[i], "new.file");
        assert_file_accepted(keys[i], "there");
        assert_file_refused(keys[i], "sub", "is a folder");
        assert_file_refused(keys[i], "link", "is a symbolic link");
        assert_file_refused(keys[i], "none/new.file", "lies in a folder that does not exist");
        assert_file_refused(keys[i], "there/new.file", "lies in something that is no folder");
    }
}

static void a_fifo_may_be_logged_to(void **state)
{
    (void)state;
    char path[256];
    assert_int_equal(mkfifo(folder_path(path, folder, "fifo"), 0600), 0);
    assert_file_accepted("access_log", "fifo");
    assert_global_accepted("log = /dev/null");
}

static void congestion_control_is_one_of_the_kernels(void **state)
{
    (void)state;
    assert_refused("[service web]\nlisten = 127.0.0.1:80\ngroup = main\ncongestion = nosuchcc\n"
                   "[group main]\nhost = a 10.0.0.1:80\n",
                   "[service web] congestion: this kernel does not offer nosuchcc");
    assert_refused(BASE_LINES "congestion = nosuchcc\n",
                   "[group main] congestion: this kernel does not offer nosuchcc");
    conf_free(load_good(BASE_LINES "congestion = reno\n"));
}

static void assert_congestion(const char *name, const char *available, const char *allowed,
                              const char *says)
{
    struct text why = {0};
    assert_int_equal(surroundings_allow_congestion(name, available, allowed, &why),
                     says == NULL);
    if (says != NULL)
        assert_string_equal(why.at, says);
    text_fini(&why);
}

static void congestion_control_is_one_that_workers_may_use(void **state)
{
    (void)state;
    static const char available[] = "reno cubic bbr", allowed[] = "reno cubic";
    assert_congestion("cubic", available, allowed, NULL);
    assert_congestion("", available, allowed, NULL);
    assert_congestion("bbr", available, allowed,
                      "this kernel lets only root use bbr; others may use reno cubic "
                      "(net.ipv4.tcp_allowed_congestion_control)");
    assert_congestion("cub", available, allowed,
                      "this kernel does not offer cub, but reno cubic bbr");
    assert_congestion("cub", "", allowed,
                      "this kernel lets only root use cub; others may use reno cubic "
                      "(net.ipv4.tcp_allowed_congestion_control)");
    assert_congestion("bbr", available, "", NULL); /* not told: let it try */
    assert_congestion("anything", "", "", NULL);
}

static void interfaces_exist(void **state)
{
    (void)state;
    assert_refused("[service web]\nlisten = 127.0.0.1:80 interface=nosuch0\ngroup = main\n"
                   "[group main]\nhost = a 10.0.0.1:80\n",
                   "[service web] listen: this machine has no interface nosuch0");
}

static void descriptors_suffice_for_max_connections(void **state)
{
    (void)state;
    const struct rlimit small = {64, 64};
    pid_t child = fork();
    if (child == 0) {
        /* Not as root: so the hard limit counts, whoever runs the test. */
        struct problems problems = {0};
        setrlimit(RLIMIT_NOFILE, &small);
        struct conf_request request = {.text = "[global]\nmax_connections = 33\n" BASE_LINES};
        bool is_refused = conf_load(&request, &problems) == NULL;
        bool names_both =
            strstr(errors_of(&problems), "max_connections: descriptor limit too small "
                                         "for max_connections: 33 connections take "
                                         "two descriptors each, the limit is 64");
        problems_fini(&problems);
        request.text = "[global]\nmax_connections = 32\n" BASE_LINES;
        struct model *model = conf_load(&request, &problems);
        bool is_accepted = model != NULL;
        conf_free(model);
        _exit(is_refused && names_both && is_accepted ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_exist_and_are_not_root),
        cmocka_unit_test_setup_teardown(files_to_be_made_can_be_made, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_fifo_may_be_logged_to, make_folder, remove_folder),
        cmocka_unit_test(congestion_control_is_one_of_the_kernels),
        cmocka_unit_test(congestion_control_is_one_that_workers_may_use),
        cmocka_unit_test(interfaces_exist),
        cmocka_unit_test(descriptors_suffice_for_max_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
