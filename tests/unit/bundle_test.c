/* SPDX-License-Identifier: MIT */
/* Promises of conf/bundle: the same model comes out, or a refusal. */
#include "conf/bundle.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "conf/sealed.h"
#include "conf/store.h"
#include "conf/write.h"
#include "conf_fixture.h"

static const char lines[] =
    "[global]\nworkers = 4\nlog = x.log\nspin = 50us\n"
    "[admin]\nlisten = 127.0.0.1:7001\ntitle = \"a ; b\"\n"
    "[service web]\nlisten = *:8080 backlog=9\nlisten = 127.0.0.1:8081\ngroup = main\n"
    "lifetime = 1h 10%\n[service two]\nlisten = 127.0.0.1:8082\ngroup = spare\n"
    "[group main]\nhost = a 10.0.0.1:80 weight=3\nhost = b 10.0.0.2:80\n"
    "[group spare]\nhost = c [::1]:80 state=drain\n";

/* Row numbers that tell their place. */
static uint32_t numbers[4][8] = {{10, 11}, {20, 21}, {30, 31, 32}, {40, 41, 42}};
static const struct bundle_rows rows = {.services = numbers[0],
                                        .groups = numbers[1],
                                        .hosts = numbers[2],
                                        .listeners = numbers[3],
                                        .n_services = 2,
                                        .n_groups = 2,
                                        .n_hosts = 3,
                                        .n_listeners = 3};

static struct model *unpack(int fd, struct bundle_rows *out)
{
    struct problems problems = {0};
    struct model *model = bundle_unpack(fd, out, &problems);
    assert_true((model == NULL) == (problems.n_errors > 0));
    problems_fini(&problems);
    return model;
}

static void assert_same_origin(const struct origin *a, const struct origin *b)
{
    assert_string_equal(a->file, b->file);
    assert_int_equal(a->line, b->line);
}

static void assert_same_model(const struct model *a, const struct model *b)
{
    struct text first = {0}, second = {0};
    conf_write(&first, a);
    conf_write(&second, b);
    assert_string_equal(first.at, second.at);
    text_fini(&first);
    text_fini(&second);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->folder, b->folder);
    assert_int_equal(a->global.has_own_pidfile, b->global.has_own_pidfile);
    assert_int_equal(a->global.has_own_control, b->global.has_own_control);
    for (size_t i = 0; i < a->n_groups; i++) {
        assert_same_origin(&a->groups[i].origin, &b->groups[i].origin);
        assert_int_equal(a->groups[i].first_host, b->groups[i].first_host);
        for (size_t k = 0; k < a->groups[i].n_hosts; k++) {
            assert_same_origin(&a->groups[i].hosts[k].origin, &b->groups[i].hosts[k].origin);
            assert_string_equal(a->groups[i].hosts[k].line, b->groups[i].hosts[k].line);
        }
    }
    for (size_t i = 0; i < a->n_services; i++) {
        assert_same_origin(&a->services[i].origin, &b->services[i].origin);
        assert_int_equal(a->services[i].first_listen, b->services[i].first_listen);
        for (size_t k = 0; k < a->services[i].n_listens; k++)
            assert_same_origin(&a->services[i].listens[k].origin,
                               &b->services[i].listens[k].origin);
    }
}

static void an_equal_model_comes_out(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256];
    struct problems problems = {0};
    struct bundle_rows out;
    folder_make(folder);
    file_make(folder, "a.conf", lines);
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    int fd = bundle_pack(model, &rows);
    assert_true(fd >= 0);
    /* What the file says by now does not matter. */
    folder_remove(folder);
    struct model *again = unpack(fd, &out);
    assert_non_null(again);
    assert_same_model(model, again);
    assert_int_equal(out.n_services, 2);
    assert_int_equal(out.n_hosts, 3);
    assert_memory_equal(out.services, rows.services, 2 * sizeof(uint32_t));
    assert_memory_equal(out.groups, rows.groups, 2 * sizeof(uint32_t));
    assert_memory_equal(out.hosts, rows.hosts, 3 * sizeof(uint32_t));
    assert_memory_equal(out.listeners, rows.listeners, 3 * sizeof(uint32_t));
    conf_free(model);
    conf_free(again);
    close(fd);
}

/* Files and meanings of names travel in the bundle: nothing is read where it is opened. */
static void files_and_names_travel_too(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256];
    struct problems problems = {0};
    struct addresses addresses = {0};
    struct bundle_rows out;
    struct address found[2] = {{.weight = 1}, {.weight = 1}};
    for (uint32_t i = 0; i < 2; i++)
        found[i].at = (struct addr){
            .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001U + i)},
            .length = sizeof(struct sockaddr_in)};
    assert_int_equal(addresses_set(&addresses, "a.example", found, 2), 1);
    folder_make(folder);
    file_make(folder, "a.conf",
              "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\nstandby = spare\n"
              "when_no_host = sorry sorry.txt\n[group main]\nhost = a a.example:80\n"
              "check = tls\ntls_ca = ca.pem\n[group spare]\nhost = b b.example:80\n");
    file_make_bytes(folder, "sorry.txt", "a\0b", 3);
    file_make(folder, "ca.pem", "");
    const struct conf_request request = {.path = folder_path(path, folder, "a.conf"),
                                         .addresses = &addresses};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    addresses_fini(&addresses);
    struct bundle_rows fitting = rows;
    fitting.n_services = fitting.n_listeners = 1;
    int fd = bundle_pack(model, &fitting);
    folder_remove(folder);
    struct model *again = unpack(fd, &out);
    assert_non_null(again);
    assert_same_model(model, again);
    const struct model_file *sorry = &again->services[0].when_no_host.sorry;
    assert_string_equal(sorry->path, model->services[0].when_no_host.sorry.path);
    assert_int_equal(sorry->length, 3);
    assert_memory_equal(sorry->bytes, "a\0b", 3);
    assert_int_equal(again->groups[0].tls_ca.length, 0);
    assert_non_null(again->groups[0].tls_ca.bytes);
    assert_false(again->store->may_read);
    assert_int_equal(again->n_hosts, 3);
    for (size_t i = 0; i < 2; i++) {
        const struct model_host *host = &model->groups[0].hosts[i];
        const struct model_host *other = &again->groups[0].hosts[i];
        assert_string_equal(host->name, other->name);
        assert_string_equal(host->lookup, other->lookup);
        assert_true(addr_is_equal(&host->address, &other->address));
    }
    /* Packed again, it is the same bundle but for the order of its files. */
    close(fd);
    fd = bundle_pack(again, &fitting);
    conf_free(again);
    again = unpack(fd, &out);
    assert_non_null(again);
    assert_same_model(model, again);
    conf_free(model);
    conf_free(again);
    close(fd);
}

static void a_file_that_did_not_travel_is_not_read(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct bundle_rows out;
    struct model *model = load_good(BASE_LINES "check = tls\ntls_ca = /etc/passwd\n");
    assert_non_null(model->store->files);
    model->store->files = NULL;
    struct bundle_rows fitting = {.services = numbers[0],
                                  .groups = numbers[1],
                                  .hosts = numbers[2],
                                  .listeners = numbers[3],
                                  .n_services = 1,
                                  .n_groups = 1,
                                  .n_hosts = 1,
                                  .n_listeners = 1};
    int fd = bundle_pack(model, &fitting);
    assert_null(bundle_unpack(fd, &out, &problems));
    assert_non_null(strstr(errors_of(&problems), "/etc/passwd has not come with"));
    problems_fini(&problems);
    conf_free(model);
    close(fd);
}

static const struct bundle_rows base_rows = {.services = numbers[0],
                                             .groups = numbers[1],
                                             .hosts = numbers[2],
                                             .listeners = numbers[3],
                                             .n_services = 1,
                                             .n_groups = 1,
                                             .n_hosts = 1,
                                             .n_listeners = 1};

static bool holds(int fd, const char *text)
{
    char bytes[65536];
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    assert_in_range(length, 0, sizeof bytes - 1);
    return memmem(bytes, (size_t)length, text, strlen(text)) != NULL;
}

static void keys_travel_apart_from_the_rest(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256];
    struct problems problems = {0};
    struct bundle_rows out;
    folder_make(folder);
    file_make(folder, "a.pem", "a chain");
    file_make(folder, "a.key", "-----BEGIN PRIVATE KEY-----\nwhat nobody may know");
    assert_int_equal(chmod(folder_path(path, folder, "a.key"), 0600), 0);
    file_make(folder, "a.conf",
              BASE_LINES "[admin]\nlisten = 127.0.0.1:1 tls\ncertificate = a.pem\n");
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    assert_true(bundle_has_keys(model, KEY_OF_DIRECTOR));
    int fd = bundle_pack(model, &base_rows), keys_fd = bundle_pack_keys(model, KEY_OF_DIRECTOR);
    assert_true(holds(fd, "a chain") && !holds(fd, "what nobody may know"));
    assert_true(holds(keys_fd, "what nobody may know") && !holds(keys_fd, "a chain"));

    struct model *worker = bundle_unpack(fd, &out, &problems);
    assert_non_null(worker);
    assert_same_model(model, worker);
    assert_int_equal(worker->admin.certificate.key.length, 0);
    assert_true(bundle_has_keys(worker, KEY_OF_DIRECTOR));
    struct model *director = bundle_unpack_whole(fd, keys_fd, KEY_OF_DIRECTOR, &out, &problems);
    assert_non_null(director);
    assert_same_model(model, director);
    const struct model_file *key = &director->admin.certificate.key,
                            *from = &model->admin.certificate.key;
    assert_int_equal(key->length, from->length);
    assert_memory_equal(key->bytes, from->bytes, key->length);
    store_wipe_keys(director->store);
    for (size_t i = 0; i < key->length; i++)
        assert_int_equal(key->bytes[i], 0);
    assert_memory_equal(director->admin.certificate.chain.bytes, "a chain", 7);

    assert_false(bundle_has_keys(model, KEY_OF_WORKERS)); /* it is a door's */
    int none_fd = bundle_pack_keys(model, KEY_OF_WORKERS);
    assert_false(holds(none_fd, "what nobody may know"));
    close(none_fd);
    int other_fd = bundle_pack_keys(worker, KEY_OF_DIRECTOR); /* has none to give */
    struct model *cheated = bundle_unpack_whole(fd, other_fd, KEY_OF_DIRECTOR, &out, &problems);
    assert_non_null(cheated);
    assert_int_equal(cheated->admin.certificate.key.length, 0);
    conf_free(cheated);
    conf_free(director);
    conf_free(worker);
    conf_free(model);
    close(other_fd);
    close(keys_fd);
    close(fd);
    problems_fini(&problems);
    folder_remove(folder);
}

static void keys_that_are_cut_are_refused(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256], bytes[4096];
    struct problems problems = {0};
    struct bundle_rows out;
    folder_make(folder);
    file_make(folder, "a.pem", "chain and PRIVATE KEY-----");
    assert_int_equal(chmod(folder_path(path, folder, "a.pem"), 0640), 0);
    file_make(folder, "a.conf",
              BASE_LINES "[admin]\nlisten = 127.0.0.1:1 tls\ncertificate = a.pem\n");
    struct model *model = load_path(folder_path(path, folder, "a.conf"), &problems);
    assert_non_null(model);
    int fd = bundle_pack(model, &base_rows), keys_fd = bundle_pack_keys(model, KEY_OF_DIRECTOR);
    ssize_t length = pread(keys_fd, bytes, sizeof bytes, 0);
    for (size_t cut = 0; cut < (size_t)length; cut++) {
        int cut_fd = sealed_make("cut", bytes, cut);
        assert_null(bundle_unpack_whole(fd, cut_fd, KEY_OF_DIRECTOR, &out, &problems));
        close(cut_fd);
    }
    struct model *whole = bundle_unpack_whole(fd, keys_fd, KEY_OF_DIRECTOR, &out, &problems);
    assert_non_null(whole);
    assert_ptr_equal(whole->admin.certificate.key.bytes, whole->admin.certificate.chain.bytes);
    conf_free(whole);
    conf_free(model);
    close(keys_fd);
    close(fd);
    problems_fini(&problems);
    folder_remove(folder);
}

static void the_command_line_travels_too(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], path[256];
    folder_make(folder);
    file_make(folder, "a.conf", lines);
    const struct conf_override overrides[] = {{"global", "workers", "7"}};
    const struct conf_request request = {
        .path = folder_path(path, folder, "a.conf"), .overrides = overrides, .n_overrides = 1};
    struct problems problems = {0};
    struct bundle_rows out;
    struct model *model = conf_load(&request, &problems);
    assert_non_null(model);
    int fd = bundle_pack(model, &rows);
    struct model *again = unpack(fd, &out);
    assert_non_null(again);
    assert_int_equal(again->global.workers, 7);
    assert_same_model(model, again);
    conf_free(model);
    conf_free(again);
    close(fd);
    folder_remove(folder);
}

/* A model that has all that a bundle can carry: lines, a file, a name that is known. */
static struct model *load_rich(void)
{
    char folder[FOLDER_BYTES], path[256], text[2048];
    struct problems problems = {0};
    struct addresses addresses = {0};
    struct address found = {
        .at = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001U)},
               .length = sizeof(struct sockaddr_in)},
        .weight = 1};
    folder_make(folder);
    file_make_bytes(folder, "sorry.txt", "a\0b", 3);
    snprintf(text, sizeof text,
             "%scheck = expect \"\\x00\" or \"b\"\n[service three]\nlisten = 127.0.0.1:83\n"
             "group = far\nwhen_no_host = sorry %s\n[group far]\nhost = a a.example:80\n",
             lines, folder_path(path, folder, "sorry.txt"));
    assert_int_equal(addresses_set(&addresses, "a.example", &found, 1), 1);
    const struct conf_request request = {.text = text, .addresses = &addresses};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", errors_of(&problems));
    addresses_fini(&addresses);
    problems_fini(&problems);
    folder_remove(folder);
    return model;
}

/* The bytes of a good bundle; malloc'ed. */
static char *good_bytes(size_t *length)
{
    static uint32_t more[4] = {50, 51, 52, 53};
    struct model *model = load_rich();
    const struct bundle_rows fitting = {.services = more,
                                        .groups = more,
                                        .hosts = more,
                                        .listeners = more,
                                        .n_services = 3,
                                        .n_groups = 3,
                                        .n_hosts = 4,
                                        .n_listeners = 4};
    int fd = bundle_pack(model, &fitting);
    assert_true(fd >= 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    *length = (size_t)status.st_size;
    char *bytes = malloc(*length);
    assert_int_equal(pread(fd, bytes, *length, 0), status.st_size);
    close(fd);
    conf_free(model);
    return bytes;
}

static int memfd_of(const char *bytes, size_t length)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    return fd;
}

static void a_bundle_is_sealed_and_its_offset_unused(void **state)
{
    (void)state;
    struct model *model = load_good(lines);
    struct bundle_rows out;
    int fd = bundle_pack(model, &rows);
    int seals = fcntl(fd, F_GET_SEALS);
    assert_int_equal(seals, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
    struct model *again = unpack(fd, &out);
    assert_non_null(again);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
    conf_free(model);
    conf_free(again);
    close(fd);
}

static void a_cut_bundle_is_refused(void **state)
{
    (void)state;
    size_t length;
    char *bytes = good_bytes(&length);
    struct bundle_rows out;
    for (size_t cut = 0; cut < length; cut++) {
        int fd = memfd_of(bytes, cut);
        assert_null(unpack(fd, &out));
        assert_null(out.hosts);
        close(fd);
    }
    free(bytes);
}

static void changed_bytes_never_crash(void **state)
{
    (void)state;
    size_t length;
    char *bytes = good_bytes(&length);
    struct random random;
    struct bundle_rows out;
    random_init(&random, 42);
    for (size_t i = 0; i < 3000; i++) {
        char *copy = malloc(length);
        memcpy(copy, bytes, length);
        for (size_t k = random_below(&random, 4) + 1; k > 0; k--)
            copy[random_below(&random, length)] = (char)random_next(&random);
        int fd = memfd_of(copy, length);
        struct model *model = unpack(fd, &out);
        if (model != NULL)
            assert_int_equal(out.n_hosts, model->n_hosts);
        conf_free(model);
        close(fd);
        free(copy);
    }
    free(bytes);
}

static void counts_that_lie_are_refused(void **state)
{
    (void)state;
    struct model *model = load_good(lines);
    struct bundle_rows out, wrong = rows;
    wrong.n_hosts = 2;
    int fd = bundle_pack(model, &wrong);
    assert_null(unpack(fd, &out));
    close(fd);
    conf_free(model);
    size_t length;
    char *bytes = good_bytes(&length);
    /* Huge counts anywhere in the head must not lead to huge allocations. */
    for (size_t at = 24; at < 64; at += 8) {
        char *copy = malloc(length);
        memcpy(copy, bytes, length);
        memset(copy + at, 0xff, 8);
        fd = memfd_of(copy, length);
        assert_null(unpack(fd, &out));
        close(fd);
        free(copy);
    }
    free(bytes);
}

static void what_is_no_bundle_is_refused(void **state)
{
    (void)state;
    struct bundle_rows out;
    int fd = memfd_of("hello", 5);
    assert_null(unpack(fd, &out));
    close(fd);
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_null(unpack(pipes[0], &out));
    close(pipes[0]);
    close(pipes[1]);
    assert_null(unpack(-1, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equal_model_comes_out),
        cmocka_unit_test(files_and_names_travel_too),
        cmocka_unit_test(a_file_that_did_not_travel_is_not_read),
        cmocka_unit_test(keys_travel_apart_from_the_rest),
        cmocka_unit_test(keys_that_are_cut_are_refused),
        cmocka_unit_test(the_command_line_travels_too),
        cmocka_unit_test(a_bundle_is_sealed_and_its_offset_unused),
        cmocka_unit_test(a_cut_bundle_is_refused),
        cmocka_unit_test(changed_bytes_never_crash),
        cmocka_unit_test(counts_that_lie_are_refused),
        cmocka_unit_test(what_is_no_bundle_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
