/* SPDX-License-Identifier: MIT */
/* Promises of conf/surroundings: what a start on this machine would fail at. */
#include "conf/surroundings.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <ev.h>

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
        if (strcmp(keys[i], "control") != 0)
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

static void the_poller_is_one_that_can_be_had(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum poller poller;
    } cases[] = {{"auto", POLLER_AUTO},         {"epoll", POLLER_EPOLL},
                 {"linuxaio", POLLER_LINUXAIO}, {"iouring", POLLER_IOURING},
                 {"poll", POLLER_POLL},         {"select", POLLER_SELECT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[64], expected[64];
        snprintf(line, sizeof line, "poller = %s", cases[i].word);
        snprintf(expected, sizeof expected, "[global] poller: ");
        struct ev_loop *loop = poller_open(cases[i].poller);
        if (loop == NULL) {
            assert_global_refused(line, expected);
        } else {
            assert_global_accepted(line);
            ev_loop_destroy(loop);
        }
    }
}

/* What may be there already depends on what the file is for. */
static void files_that_are_there_must_fit_their_use(void **state)
{
    (void)state;
    char path[256], other[256];
    file_make(folder, "plain", "");
    file_make(folder, "twice", "");
    assert_int_equal(
        link(folder_path(path, folder, "twice"), folder_path(other, folder, "two")), 0);
    assert_int_equal(mkfifo(folder_path(path, folder, "fifo"), 0600), 0);
    assert_file_refused("control", "plain", "exists and is not a socket");
    assert_file_refused("control", "fifo", "exists and is not a socket");
    assert_file_refused("pidfile", "fifo", "is not a regular file");
    assert_file_refused("pidfile", "twice", "has more than one name");
    assert_file_accepted("log", "twice");
    assert_global_refused("pidfile = /dev/null", "is not a regular file");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_file_accepted("control", "socket");
    assert_file_refused("log", "socket", "is neither a file nor a fifo");
    assert_file_refused("pidfile", "socket", "is not a regular file");
    close(fd);
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
        cmocka_unit_test(the_poller_is_one_that_can_be_had),
        cmocka_unit_test_setup_teardown(files_that_are_there_must_fit_their_use, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
