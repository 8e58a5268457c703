/* SPDX-License-Identifier: MIT */
/* Promises of master/filewatch: a file that has changed on disk is taken over once it stays as it is. */
#include "master/filewatch.h"

#include "conf_fixture.h"

#include "base/clock.h"
#include "base/text.h"
#include "master_rig.h"

#define KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define OTHER_KEY "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"
#define OTHER_CHAIN "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n"

enum { WORKERS = 1, PORT = 8000 };

/* A daemon that serves with a certificate, its key in a file beside it, a list, and a text for when no host is up. */
struct fixture {
    struct master_rig rig;
    struct text text;
    char folder[FOLDER_BYTES];
    uint64_t now_ns;
};

/* As who renews it does: another file takes the place of the first. */
static void replace(struct fixture *f, const char *name, const char *bytes, mode_t mode)
{
    char path[256], beside[256];
    file_make(f->folder, "beside", bytes);
    assert_int_equal(chmod(folder_path(beside, f->folder, "beside"), mode), 0);
    assert_int_equal(rename(beside, folder_path(path, f->folder, name)), 0);
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.now_ns = 1000 * CLOCK_NS_PER_S};
    folder_make(f->folder);
    replace(f, "page.pem", CHAIN, 0644);
    replace(f, "page.key", KEY, 0600);
    replace(f, "ca.pem", CHAIN, 0644);
    replace(f, "list.crl", "list", 0644);
    replace(f, "sorry.txt", "sorry", 0644);
    text_printf(&f->text,
                "[global]\nlog = /dev/null\npidfile =\ncontrol =\ncache =\nworkers = %d\n",
                WORKERS);
    text_add(&f->text, "[service web]\ngroup = main\n");
    master_rig_print_listen(&f->text, PORT);
    f->text.at[--f->text.length] = '\0'; /* the line goes on */
    text_printf(&f->text,
                " tls\ncertificate = %s/page.pem\nclient_ca = %s/ca.pem\n"
                "client_verify = required\nclient_crl = %s/list.crl\n"
                "when_no_host = sorry %s/sorry.txt\n[group main]\nhost = a 127.0.0.1:1\n",
                f->folder, f->folder, f->folder, f->folder);
    master_rig_open(&f->rig, f->text.at, WORKERS);
    master_rig_ask(&f->rig, NULL);
    master_rig_agree(&f->rig);
    master_rig_forget(&f->rig);
}

static void close_fixture(struct fixture *f)
{
    master_rig_close(&f->rig);
    text_fini(&f->text);
    folder_remove(f->folder);
}

/* So many seconds later. */
static void look(struct fixture *f, uint64_t seconds)
{
    f->now_ns += seconds * CLOCK_NS_PER_S;
    filewatch_look(f->rig.master, f->now_ns);
}

static void look_often(struct fixture *f)
{
    for (int i = 0; i < 5; i++)
        look(f, 2);
}

static bool is_rolling(const struct fixture *f)
{
    return f->rig.master->rollout.stage != ROLLOUT_IDLE;
}

static const struct model_service *served(const struct fixture *f)
{
    return &f->rig.master->rollout.current->model->services[0];
}

static void assert_holds(const struct model_file *file, const char *bytes)
{
    assert_int_equal(file->length, strlen(bytes));
    assert_memory_equal(file->bytes, bytes, file->length);
}

/* What was refused is followed by what else may be new, which has nothing of it. */
static void end_without(struct fixture *f)
{
    const uint64_t before = f->rig.master->rollout.current->generation;
    if (is_rolling(f))
        master_rig_agree(&f->rig);
    look_often(f);
    assert_false(is_rolling(f)); /* it is not tried again */
    assert_in_range(f->rig.master->rollout.current->generation, before, before + 2);
}

static void what_stays_is_left_alone(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    look_often(&f);
    assert_false(is_rolling(&f));
    replace(&f, "sorry.txt", "other", 0644); /* that is taken over by a reload alone */
    look_often(&f);
    assert_false(is_rolling(&f));
    close_fixture(&f);
}

static void a_list_that_has_changed_is_taken_over(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    look_often(&f);
    replace(&f, "list.crl", "more", 0644);
    look(&f, 2);
    assert_false(is_rolling(&f)); /* it may be written still */
    replace(&f, "list.crl", "even more", 0644);
    look(&f, 2);
    assert_false(is_rolling(&f));
    look(&f, 1);
    assert_false(is_rolling(&f)); /* it is too soon */
    look(&f, 1);
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_holds(&served(&f)->crls[0].file, "even more");
    assert_holds(&served(&f)->certificates[0].chain, CHAIN);
    look_often(&f);
    assert_false(is_rolling(&f));
    close_fixture(&f);
}

static void a_certificate_is_taken_over_with_its_key(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    look_often(&f);
    replace(&f, "page.key", OTHER_KEY, 0600);
    look(&f, 2);
    replace(&f, "page.pem", OTHER_CHAIN, 0644);
    look_often(&f);
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    look_often(&f); /* what came second, if it was not with the first */
    if (is_rolling(&f))
        master_rig_agree(&f.rig);
    assert_holds(&served(&f)->certificates[0].chain, OTHER_CHAIN);
    assert_holds(&served(&f)->certificates[0].key, OTHER_KEY);
    look_often(&f);
    assert_false(is_rolling(&f));
    close_fixture(&f);
}

static void what_cannot_be_used_is_tried_once(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    look_often(&f);
    replace(&f, "list.crl", "refused", 0644);
    look_often(&f);
    assert_true(is_rolling(&f));
    master_rig_say(&f.rig, 0, MSG_REFUSED, f.rig.master->rollout.next->generation, "no\n");
    end_without(&f);
    assert_holds(&served(&f)->crls[0].file, "list");
    replace(&f, "list.crl", "good", 0644);
    look_often(&f);
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_holds(&served(&f)->crls[0].file, "good");
    close_fixture(&f);
}

static void what_cannot_be_read_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    char path[256];
    open_fixture(&f);
    look_often(&f);
    assert_int_equal(unlink(folder_path(path, f.folder, "list.crl")), 0);
    look_often(&f);
    assert_false(is_rolling(&f));
    replace(&f, "page.key", OTHER_KEY, 0644); /* others may read it: it is refused */
    look_often(&f);
    end_without(&f);
    assert_holds(&served(&f)->certificates[0].key, KEY);
    assert_holds(&served(&f)->crls[0].file, "list");
    replace(&f, "list.crl", "again", 0644);
    replace(&f, "page.key", OTHER_KEY, 0600);
    look_often(&f);
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_holds(&served(&f)->certificates[0].key, OTHER_KEY);
    assert_holds(&served(&f)->crls[0].file, "again");
    close_fixture(&f);
}

static void a_rollout_is_not_disturbed(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    look_often(&f);
    master_rig_ask(&f.rig, f.text.at);
    assert_true(is_rolling(&f));
    uint64_t generation = f.rig.master->rollout.next->generation;
    replace(&f, "list.crl", "later", 0644);
    look_often(&f);
    assert_int_equal(f.rig.master->rollout.next->generation, generation);
    master_rig_agree(&f.rig);
    assert_holds(&served(&f)->crls[0].file, "list");
    look_often(&f);
    assert_true(is_rolling(&f));
    master_rig_agree(&f.rig);
    assert_holds(&served(&f)->crls[0].file, "later");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stays_is_left_alone),
        cmocka_unit_test(a_list_that_has_changed_is_taken_over),
        cmocka_unit_test(a_certificate_is_taken_over_with_its_key),
        cmocka_unit_test(what_cannot_be_used_is_tried_once),
        cmocka_unit_test(what_cannot_be_read_is_waited_for),
        cmocka_unit_test(a_rollout_is_not_disturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
