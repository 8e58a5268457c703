/* SPDX-License-Identifier: MIT */
/* Promises of master/cache: what the director finds is taken where there is a use for it, kept, and brought to all. */
#include "master/cache.h"

#include "conf_fixture.h"

#include <dirent.h>

#include "base/text.h"
#include "conf/sealed.h"
#include "master_rig.h"

#define KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define LIST "http://crl.example/list"
#define POINT "http://crl.example/point"

enum { WORKERS = 1, PORT = 8000 };

static char folder[FOLDER_BYTES];

/* A daemon that serves a configuration whose clients' certificates are looked up in these lists. */
struct fixture {
    struct master_rig rig;
    struct text text;
};

/* cache: a folder below the private one; NULL: nothing is kept. lists: lines; "" = none */
static const char *conf(struct text *out, const char *cache, const char *lists)
{
    text_clear(out);
    text_printf(
        out, "[global]\nlog = /dev/null\npidfile =\ncontrol =\nworkers = %d\ncache =", WORKERS);
    if (cache != NULL)
        text_printf(out, " %s/%s", folder, cache);
    text_add(out, "\n[service web]\ngroup = main\n");
    master_rig_print_listen(out, PORT);
    out->at[--out->length] = '\0'; /* the line goes on */
    text_printf(out, " tls\ncertificate = %s/page.pem\nclient_ca = %s/ca.pem\n", folder,
                folder);
    text_printf(out, "client_verify = required\n%s[group main]\nhost = a 127.0.0.1:1\n", lists);
    return out->at;
}

static void open_fixture(struct fixture *f, const char *cache, const char *lists)
{
    *f = (struct fixture){0};
    master_rig_open(&f->rig, conf(&f->text, cache, lists), WORKERS);
    master_rig_ask(&f->rig, NULL);
    master_rig_agree(&f->rig);
    master_rig_forget(&f->rig);
}

static void close_fixture(struct fixture *f)
{
    cache_fini(&f->rig.master->cache);
    master_rig_close(&f->rig);
    text_fini(&f->text);
}

static int make_folder(void **state)
{
    (void)state;
    char path[256];
    folder_make(folder);
    file_make(folder, "page.pem", CHAIN KEY);
    file_make(folder, "ca.pem", CHAIN);
    return chmod(folder_path(path, folder, "page.pem"), 0600);
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* What the director sends; fd: -1 = without a descriptor */
static void take_fd(struct fixture *f, int fd)
{
    static struct received message;
    message.n_fds = fd >= 0;
    message.fds[0] = fd;
    cache_take(f->rig.master, &message);
    if (fd >= 0)
        close(fd);
}

static void take(struct fixture *f, const char *name, const char *bytes)
{
    int fd = fetched_encode(name, bytes, strlen(bytes));
    assert_true(fd >= 0);
    take_fd(f, fd);
}

static bool is_rolling(const struct fixture *f)
{
    return f->rig.master->rollout.stage != ROLLOUT_IDLE;
}

/* What the configuration in force has of a list; NULL: nothing */
static void assert_serves(const struct fixture *f, const char *url, const char *bytes)
{
    const struct model_file *file =
        fetched_of(f->rig.master->rollout.current->model, FETCHED_CRL, url);
    if (bytes == NULL) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    assert_int_equal(file->length, strlen(bytes));
    assert_memory_equal(file->bytes, bytes, file->length);
}

/* Names of the files in the cache, or below it; the last is left in path. */
static size_t count_files(const char *cache, char path[512])
{
    char below[256];
    size_t n = 0;
    DIR *all = opendir(folder_path(below, folder, cache));
    for (const struct dirent *one; all != NULL && (one = readdir(all)) != NULL;)
        if (one->d_name[0] != '.') {
            snprintf(path, 512, "%s/%.200s", below, one->d_name);
            n++;
        }
    if (all != NULL)
        closedir(all);
    return n;
}

static void what_is_found_is_kept_and_rolled_out(void **state)
{
    (void)state;
    struct fixture f;
    struct stat status;
    char path[512];
    open_fixture(&f, "cache", "client_crl = " LIST "\n");
    assert_serves(&f, LIST, NULL);
    take(&f, FETCHED_CRL LIST, "first");
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_serves(&f, LIST, "first");
    assert_int_equal(count_files("cache", path), 1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    take(&f, FETCHED_CRL LIST, "first"); /* the same again */
    assert_false(is_rolling(&f));
    take(&f, FETCHED_CRL LIST, "second");
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_serves(&f, LIST, "second");
    assert_int_equal(count_files("cache", path), 1);
    close_fixture(&f);
}

static void what_nobody_wants_is_not_taken(void **state)
{
    (void)state;
    static const char *const names[] = {FETCHED_CRL LIST "s", FETCHED_POINTS, FETCHED_CRL POINT,
                                        FETCHED_STAPLE "/etc/page.pem", "../../etc/passwd"};
    struct fixture f;
    char path[512];
    open_fixture(&f, "cache", "client_crl = " LIST "\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        take(&f, names[i], POINT "\n");
        assert_false(is_rolling(&f));
    }
    take_fd(&f, -1);
    take_fd(&f, sealed_make("none", "hello", 5));
    assert_false(is_rolling(&f));
    assert_int_equal(f.rig.master->cache.fetched.n, 0);
    assert_int_equal(count_files("cache", path), 0);
    close_fixture(&f);
}

static void a_restart_has_it_at_once(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "cache", "client_crl = " LIST "\nclient_crl = auto\n");
    take(&f, FETCHED_CRL LIST, "list");
    master_rig_agree(&f.rig);
    take(&f, FETCHED_POINTS, POINT "\n");
    assert_false(is_rolling(&f)); /* the list that it is of comes next */
    take(&f, FETCHED_CRL POINT, "of a point");
    master_rig_agree(&f.rig);
    assert_serves(&f, POINT, "of a point");
    close_fixture(&f);
    open_fixture(&f, "cache", "client_crl = " LIST "\nclient_crl = auto\n");
    assert_serves(&f, LIST, "list");
    assert_serves(&f, POINT, "of a point");
    close_fixture(&f);
}

/* Damaged, or of another name: as if there were none. */
static void a_damaged_file_is_not_used(void **state)
{
    (void)state;
    struct fixture f;
    char path[512];
    for (int i = 0; i < 3; i++) {
        struct text bytes = {0};
        open_fixture(&f, "cache", "client_crl = " LIST "\n");
        take(&f, FETCHED_CRL LIST, "list");
        master_rig_agree(&f.rig);
        close_fixture(&f);
        assert_int_equal(count_files("cache", path), 1);
        if (i == 0)
            text_add(&bytes, "damaged");
        else if (i == 1)
            fetched_print(&bytes, FETCHED_CRL POINT, "list", 4);
        else
            fetched_print(&bytes, FETCHED_CRL LIST, "other", 5);
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write(fd, bytes.at, bytes.length), (ssize_t)bytes.length);
        close(fd);
        text_fini(&bytes);
        open_fixture(&f, "cache", "client_crl = " LIST "\n");
        assert_serves(&f, LIST, i == 2 ? "other" : NULL);
        close_fixture(&f);
    }
}

static void what_is_not_wanted_any_more_is_removed(void **state)
{
    (void)state;
    struct fixture f;
    char path[512];
    open_fixture(&f, "cache", "client_crl = " LIST "\nclient_crl = " POINT "\n");
    take(&f, FETCHED_CRL LIST, "list");
    master_rig_agree(&f.rig);
    take(&f, FETCHED_CRL POINT, "point");
    master_rig_agree(&f.rig);
    assert_int_equal(count_files("cache", path), 2);
    master_rig_ask(&f.rig, conf(&f.text, "cache", "client_crl = " POINT "\n"));
    assert_int_equal(count_files("cache", path), 2); /* it may come to nothing */
    master_rig_agree(&f.rig);
    assert_int_equal(count_files("cache", path), 1);
    assert_serves(&f, POINT, "point");
    assert_serves(&f, LIST, NULL);
    close_fixture(&f);
}

static void without_a_folder_it_serves_all_the_same(void **state)
{
    (void)state;
    static const char *const caches[] = {NULL, "ca.pem", "none/below"};
    char path[512];
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        struct fixture f;
        open_fixture(&f, caches[i], "client_crl = " LIST "\n");
        take(&f, FETCHED_CRL LIST, "list");
        assert_true(is_rolling(&f));
        master_rig_agree(&f.rig);
        assert_serves(&f, LIST, "list");
        close_fixture(&f);
    }
    assert_int_equal(count_files(".", path), 2); /* page.pem, ca.pem */
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(what_is_found_is_kept_and_rolled_out),
        WITH_FOLDER(what_nobody_wants_is_not_taken),
        WITH_FOLDER(a_restart_has_it_at_once),
        WITH_FOLDER(a_damaged_file_is_not_used),
        WITH_FOLDER(what_is_not_wanted_any_more_is_removed),
        WITH_FOLDER(without_a_folder_it_serves_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
