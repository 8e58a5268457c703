/* SPDX-License-Identifier: MIT */
/* Tests of the director process, with the test as its master. */
#include "director/director.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/bundle.h"
#include "net/ask.h"
#include "share/bells.h"
#include "share/channel.h"
#include "share/segment.h"
#include "share/settle.h"

/* A running director, its channel, what it was given. */
struct rig {
    pid_t pid;
    struct channel channel;
    struct received received;
    struct segment segment;
    int log_pipe[2], access_pipe[2];
    char folder[32], control[64], log[64];
};

static void tell(struct rig *rig, enum message_kind kind, uint64_t generation, const int *fds,
                 int n_fds, const void *payload, size_t length)
{
    const struct message message = {.kind = kind, .generation = generation};
    assert_int_equal(channel_send(&rig->channel, &message, payload, length, fds, n_fds), 0);
}

/* Waits for the next message, which must be of this kind. */
static const struct message *hear(struct rig *rig, enum message_kind kind)
{
    struct pollfd ready = {.fd = rig->channel.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 20000), 1);
    assert_int_equal(channel_receive(&rig->channel, &rig->received), 1);
    channel_close_fds(&rig->received);
    assert_int_equal(rig->received.head.kind, kind);
    return &rig->received.head;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void greet(struct rig *rig)
{
    const struct hello hello = {.log_level = 3, .has_control = 1, .master_pid = getpid()};
    const struct logs logs = {.has_log_sink = 1, .log_facility = -1, .access_facility = -1};
    int control = listen_at(rig->control);
    const int fds[] = {rig->segment.fd, rig->log_pipe[1], rig->log_pipe[0], rig->access_pipe[0],
                       control};
    tell(rig, MSG_HELLO, 0, fds, 5, &hello, sizeof hello);
    close(control);
    int log = open(rig->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    tell(rig, MSG_LOGS, 0, &log, 1, &logs, sizeof logs);
    close(log);
}

static int open_rig(void **state)
{
    static struct rig rig;
    int ends[2];
    memset(&rig, 0, sizeof rig);
    snprintf(rig.folder, sizeof rig.folder, "/tmp/director.XXXXXX");
    if (mkdtemp(rig.folder) == NULL || segment_create(&rig.segment, NULL) != 0 ||
        pipe2(rig.log_pipe, O_CLOEXEC | O_NONBLOCK) != 0 ||
        pipe2(rig.access_pipe, O_CLOEXEC | O_NONBLOCK) != 0 || fdpass_pair(ends) != 0)
        return -1;
    snprintf(rig.control, sizeof rig.control, "%s/control", rig.folder);
    snprintf(rig.log, sizeof rig.log, "%s/log", rig.folder);
    rig.pid = fork();
    if (rig.pid == 0) {
        close(ends[0]);
        exit(director_main(ends[1])); /* with the leak check that _exit skips */
    }
    close(ends[1]);
    channel_init(&rig.channel, ends[0]);
    greet(&rig);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    channel_fini(&rig->channel);
    if (rig->pid > 0)
        waitpid(rig->pid, NULL, 0);
    segment_fini(&rig->segment);
    for (int i = 0; i < 2; i++) {
        close(rig->log_pipe[i]);
        close(rig->access_pipe[i]);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", rig->folder);
    return system(command);
}

static const char configuration[] = "[global]\npidfile =\ncontrol =\n"
                                    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"
                                    "[group main]\nhost = app1 192.0.2.1:80\n";

static int pack(void)
{
    struct problems problems = {0};
    const struct conf_request request = {.text = configuration};
    struct model *model = conf_load(&request, &problems);
    if (model == NULL)
        fail_msg("%s", problems.errors.at);
    uint32_t number = 0;
    const struct bundle_rows rows = {&number, &number, &number, &number, 1, 1, 1, 1};
    int fd = bundle_pack(model, &rows);
    assert_true(fd >= 0);
    conf_free(model);
    problems_fini(&problems);
    return fd;
}

static void commit(struct rig *rig, uint64_t generation)
{
    int bundle = pack();
    tell(rig, MSG_PREPARE, generation, &bundle, 1, NULL, 0);
    close(bundle);
    assert_int_equal(hear(rig, MSG_READY)->generation, generation);
    tell(rig, MSG_COMMIT, generation, NULL, 0, NULL, 0);
    assert_int_equal(hear(rig, MSG_COMMITTED)->generation, generation);
    atomic_store(&rig->segment.daemon->generation, generation);
    atomic_store(&rig->segment.daemon->state, DAEMON_SERVING);
}

static int get(const struct rig *rig, const char *path, struct text *body)
{
    struct ask_answer answer = {0};
    struct text why = {0};
    if (ask(rig->control, "GET", path, NULL, &answer, &why) != 0)
        fail_msg("%s", why.at);
    if (body != NULL)
        *body = answer.body;
    else
        text_fini(&answer.body);
    return answer.status;
}

static int stop(struct rig *rig)
{
    int status = 0;
    tell(rig, MSG_STOP, 0, NULL, 0, NULL, 0);
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return status;
}

static void read_log(const struct rig *rig, char *out, size_t capacity)
{
    FILE *file = fopen(rig->log, "r");
    assert_non_null(file);
    out[fread(out, 1, capacity - 1, file)] = '\0';
    fclose(file);
}

static void serves_once_a_configuration_is_committed(void **state)
{
    struct rig *rig = *state;
    struct text body;
    assert_int_equal(get(rig, "/healthz", NULL), 503);
    commit(rig, 1);
    assert_int_equal(get(rig, "/healthz", NULL), 200);
    assert_int_equal(get(rig, "/running.json", &body), 200);
    assert_non_null(strstr(body.at, "\"address\":\"192.0.2.1:80\""));
    text_fini(&body);
    assert_int_equal(stop(rig), 0);
}

static void commits_the_next_and_retires_the_last(void **state)
{
    struct rig *rig = *state;
    commit(rig, 1);
    commit(rig, 2);
    assert_int_equal(hear(rig, MSG_RETIRED)->generation, 1);
    assert_int_equal(stop(rig), 0);
}

static void refuses_a_bundle_that_is_none(void **state)
{
    struct rig *rig = *state;
    commit(rig, 1);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tell(rig, MSG_PREPARE, 2, &null, 1, NULL, 0);
    close(null);
    assert_int_equal(hear(rig, MSG_REFUSED)->generation, 2);
    assert_true(rig->received.length > 0);
    commit(rig, 3); /* the next good one works */
    assert_int_equal(stop(rig), 0);
}

static void forgets_what_is_aborted(void **state)
{
    struct rig *rig = *state;
    commit(rig, 1);
    int bundle = pack();
    tell(rig, MSG_PREPARE, 2, &bundle, 1, NULL, 0);
    close(bundle);
    tell(rig, MSG_ABORT, 2, NULL, 0, NULL, 0);
    int again = pack();
    tell(rig, MSG_PREPARE, 3, &again, 1, NULL, 0);
    close(again);
    const struct message *message;
    do /* the abort may have come before or after the answer to 2 */
        message = hear(rig, MSG_READY);
    while (message->generation == 2);
    assert_int_equal(message->generation, 3);
    assert_int_equal(get(rig, "/healthz", NULL), 200);
    assert_int_equal(stop(rig), 0);
}

static void drains_as_told(void **state)
{
    struct rig *rig = *state;
    struct text body;
    commit(rig, 1);
    tell(rig, MSG_DRAIN, 0, NULL, 0, NULL, 0);
    /* Messages and requests come by different ways: wait until it has taken the first. */
    while (get(rig, "/healthz", NULL) == 200)
        ;
    assert_int_equal(get(rig, "/healthz", NULL), 503);
    assert_int_equal(get(rig, "/running.json", &body), 200);
    assert_non_null(strstr(body.at, "\"state\":\"draining\""));
    text_fini(&body);
    assert_int_equal(stop(rig), 0);
}

static void passes_a_reload_to_master(void **state)
{
    struct rig *rig = *state;
    commit(rig, 1);
    pid_t client = fork();
    if (client == 0) {
        struct ask_answer answer = {0};
        struct text why = {0};
        int result = ask(rig->control, "POST", "/api/reload", NULL, &answer, &why);
        _exit(result == 0 && answer.status == 409 &&
                      strstr(answer.body.at, "a:1: bad\\u000ab:2: worse\"") != NULL
                  ? 0
                  : 1);
    }
    struct message result = {.kind = MSG_RESULT, .number = hear(rig, MSG_RELOAD)->number};
    static const char text[] = "a:1: bad\nb:2: worse\n";
    assert_int_equal(channel_send(&rig->channel, &result, text, strlen(text), NULL, 0), 0);
    int status = -1;
    assert_int_equal(waitpid(client, &status, 0), client);
    assert_int_equal(status, 0);
    assert_int_equal(stop(rig), 0);
}

static void passes_close_log_to_master(void **state)
{
    struct rig *rig = *state;
    commit(rig, 1);
    pid_t client = fork();
    if (client == 0) {
        struct ask_answer answer = {0};
        struct text why = {0};
        int result = ask(rig->control, "POST", "/api/closeLog", NULL, &answer, &why);
        _exit(result == 0 && answer.status == 200 &&
                      strstr(answer.body.at, "\"message\":\"logs reopened\"") != NULL
                  ? 0
                  : 1);
    }
    struct message result = {
        .kind = MSG_RESULT, .flag = 1, .number = hear(rig, MSG_REOPEN)->number};
    static const char text[] = "logs reopened";
    assert_int_equal(channel_send(&rig->channel, &result, text, strlen(text), NULL, 0), 0);
    int status = -1;
    assert_int_equal(waitpid(client, &status, 0), client);
    assert_int_equal(status, 0);
    assert_int_equal(stop(rig), 0);
}

/* Rung before the answer: who asks afterwards finds every worker told. */
static void rings_every_bell_when_a_row_was_changed(void **state)
{
    struct rig *rig = *state;
    const uint32_t slots[] = {0, 7};
    const int bells[] = {eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                         eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct ask_answer answer = {0};
    struct text why = {0};
    uint64_t rung, before;
    tell(rig, MSG_BELLS, 0, bells, 2, slots, sizeof slots);
    commit(rig, 1);
    before = atomic_load(&rig->segment.daemon->change);
    host_reset(&rig->segment, 0, 0);
    const char *body = "{\"service\":\"web\",\"group\":\"main\",\"name\":\"app1\"}";
    assert_int_equal(ask(rig->control, "POST", "/api/hostAdminDown", body, &answer, &why), 0);
    if (answer.status != 200)
        fail_msg("%s", answer.body.at);
    text_fini(&answer.body);
    assert_int_equal(atomic_load(&rig->segment.hosts[0].admin), ADMIN_DOWN);
    assert_true(atomic_load(&rig->segment.daemon->change) > before);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read(bells[i], &rung, sizeof rung), sizeof rung);
        close(bells[i]);
    }
    assert_int_equal(stop(rig), 0);
}

/* As a worker that was killed between raising the total and its own shard leaves it. */
static void lowers_a_total_that_a_killed_worker_left_too_high(void **state)
{
    struct rig *rig = *state;
    struct host_row *row = &rig->segment.hosts[0];
    commit(rig, 1);
    segment_use_slot(&rig->segment, 0);
    segment_raise(&rig->segment.daemon->hosts_used, 1);
    atomic_store(&row->in_flight, 1);
    settle_slot(&rig->segment, 0); /* it was leaving: no other takes its place */
    uint64_t end_ns = clock_now_ns() + 20 * CLOCK_NS_PER_S;
    while (atomic_load(&row->in_flight) != 0) {
        assert_true(clock_now_ns() < end_ns);
        usleep(10000);
    }
    assert_int_equal(stop(rig), 0);
}

static void writes_every_line_before_it_ends(void **state)
{
    struct rig *rig = *state;
    static char log[65536];
    for (int i = 0; i < 500; i++)
        assert_int_equal(write(rig->log_pipe[1], "a line of a worker\n", 19), 19);
    assert_int_equal(stop(rig), 0);
    read_log(rig, log, sizeof log);
    size_t lines = 0;
    for (const char *at = log; (at = strstr(at, "a line of a worker\n")) != NULL; at++)
        lines++;
    assert_int_equal(lines, 500);
}

/* As a worker's death between two steps leaves it; slots 0 and 2 have bells. */
static void audits_after_a_death_and_rings_the_bells(void **state)
{
    struct rig *rig = *state;
    struct bells bells;
    const uint32_t slots[] = {0, 2};
    bells_init(&bells);
    assert_int_equal(bells_make(&bells, 0), 0);
    assert_int_equal(bells_make(&bells, 2), 0);
    const int fds[] = {bells.fds[0], bells.fds[2]};
    tell(rig, MSG_BELLS, 0, fds, 2, slots, sizeof slots);
    commit(rig, 1);
    host_reset(&rig->segment, 0, 0);
    atomic_store(&rig->segment.hosts[0].in_flight, 1);
    settle_slot(&rig->segment, 0);
    for (int i = 0; i < 2; i++) {
        struct pollfd ready = {.fd = fds[i], .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
    }
    assert_int_equal(atomic_load(&rig->segment.hosts[0].in_flight), 0);
    assert_int_equal(stop(rig), 0);
    bells_fini(&bells);
}

static void ends_when_master_is_gone(void **state)
{
    struct rig *rig = *state;
    static char log[65536];
    int status;
    commit(rig, 1);
    assert_int_equal(write(rig->log_pipe[1], "the last line\n", 14), 14);
    shutdown(rig->channel.fd, SHUT_RDWR);
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    assert_true(WIFEXITED(status));
    rig->pid = 0;
    read_log(rig, log, sizeof log);
    assert_non_null(strstr(log, "the last line\n"));
    assert_non_null(strstr(log, "master is gone"));
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(serves_once_a_configuration_is_committed),
        RIG_TEST(commits_the_next_and_retires_the_last),
        RIG_TEST(refuses_a_bundle_that_is_none),
        RIG_TEST(forgets_what_is_aborted),
        RIG_TEST(drains_as_told),
        RIG_TEST(passes_a_reload_to_master),
        RIG_TEST(passes_close_log_to_master),
        RIG_TEST(rings_every_bell_when_a_row_was_changed),
        RIG_TEST(lowers_a_total_that_a_killed_worker_left_too_high),
        RIG_TEST(writes_every_line_before_it_ends),
        RIG_TEST(audits_after_a_death_and_rings_the_bells),
        RIG_TEST(ends_when_master_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
