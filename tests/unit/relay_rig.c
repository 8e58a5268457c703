/* SPDX-License-Identifier: MIT */
/* A whole relay over a real segment, real sockets on loopback, for the tests of relay and of worker/accept. */
#include "relay_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conf/bundle.h"
#include "relay/queue.h"
#include "relay/warm.h"

enum { MOST_TEXT = 8192, MOST_ROWS = 32, PAUSE_MS = 1 };

/* ---- configurations ---- */

static void fill_numbers(uint32_t *numbers, size_t n, uint32_t first)
{
    assert_true(n <= MOST_ROWS);
    for (size_t i = 0; i < n; i++)
        numbers[i] = first + (uint32_t)i;
}

int rig_bundle(const char *text)
{
    struct problems problems = {0};
    const struct conf_request request = {.text = text};
    struct model *model = conf_load(&request, &problems);
    uint32_t numbers[4][MOST_ROWS];

    if (model == NULL)
        fail_msg("refused: %s\nof %s", problems.errors.at, text);
    const struct bundle_rows rows = {.services = numbers[0],
                                     .groups = numbers[1],
                                     .hosts = numbers[2],
                                     .listeners = numbers[3],
                                     .n_services = model->n_services,
                                     .n_groups = model->n_groups,
                                     .n_hosts = model->n_hosts,
                                     .n_listeners = model->n_listens};
    fill_numbers(rows.services, rows.n_services, RIG_FIRST_SERVICE);
    fill_numbers(rows.groups, rows.n_groups, RIG_FIRST_GROUP);
    fill_numbers(rows.hosts, rows.n_hosts, RIG_FIRST_HOST);
    fill_numbers(rows.listeners, rows.n_listeners, RIG_FIRST_LISTENER);
    int bundle = bundle_pack(model, &rows);
    assert_true(bundle >= 0);
    conf_free(model);
    problems_fini(&problems);
    return bundle;
}

struct generation *rig_generation(struct relay_rig *rig, uint64_t id, const char *text)
{
    struct problems problems = {0};
    const struct generation_place place = {
        .segment = &rig->segment, .slot = RIG_SLOT, .random = &rig->relay.random};
    int bundle = rig_bundle(text);
    struct generation *generation = generation_new(&place, bundle, -1, id, &problems);

    if (generation == NULL)
        fail_msg("not composed: %s", problems.errors.at);
    generation->parked_count = &rig->relay.n_parked;
    close(bundle);
    problems_fini(&problems);
    return generation;
}

static void reset_rows(const struct relay_rig *rig)
{
    const struct model *model = rig->generation->model;

    for (uint32_t i = 0; i < model->n_services; i++)
        service_reset(&rig->segment, RIG_FIRST_SERVICE + i);
    for (uint32_t i = 0; i < model->n_groups; i++) {
        const struct model_group *group = &model->groups[i];
        group_reset(&rig->segment, RIG_FIRST_GROUP + i);
        for (uint32_t j = 0; j < group->n_hosts; j++) {
            uint32_t row = RIG_FIRST_HOST + (uint32_t)group->first_host + j;
            host_reset(&rig->segment, row, RIG_FIRST_GROUP + i);
            host_set_weight(&rig->segment, row, (uint32_t)group->hosts[j].weight);
        }
    }
}

/* ---- opening, closing ---- */

static void on_end(void *owner)
{
    struct relay_rig *rig = owner;
    rig->n_ended++;
}

static void init_relay(struct relay_rig *rig)
{
    struct relay *relay = &rig->relay;

    relay->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    relay->scratch = malloc(RIG_BUFFER_BYTES);
    assert_non_null(relay->loop);
    assert_non_null(relay->scratch);
    relay->scratch_bytes = RIG_BUFFER_BYTES;
    relay->segment = &rig->segment;
    relay->slot = RIG_SLOT;
    relay->now_ns = clock_now_ns();
    relay->next_id = 1000;
    relay->on_end = on_end;
    relay->owner = rig;
    relay->most_parked = PARKED_MOST;
    relay->access.fd = -1;
    relay->access.daemon = rig->segment.daemon;
    pool_init(&relay->conns, sizeof(struct conn), 4);
    pool_init(&relay->buffers, RIG_BUFFER_BYTES, 2);
    deadline_init(&relay->wheel, relay->now_ns);
    list_init(&relay->all);
    list_init(&relay->graves);
    list_init(&relay->unread);
    relay->on_shaken = life_shaken;
    queue_init(relay);
    bells_init(&relay->bells);
    warm_init(relay, 64);
    live_allot_init(&relay->live);
    random_init(&relay->random, 42);
    splice_init(&relay->pipes, 4);
}

void rig_open(struct relay_rig *rig, const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 1, sizeof text - 1);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LEVEL_ERROR);
    *rig = (struct relay_rig){0};
    assert_int_equal(segment_create(&rig->segment, NULL), 0);
    for (uint32_t slot = 0; slot <= RIG_SLOT; slot++)
        segment_use_slot(&rig->segment, slot);
    init_relay(rig);
    rig->generation = rig_generation(rig, 1, text);
    reset_rows(rig);
    rig->door = open_listening(&rig->door_address);
    rig->n_fds = rig_count_fds();
}

static void assert_nothing_claimed(const struct relay_rig *rig)
{
    const struct model *model = rig->generation->model;

    for (uint32_t i = 0; i < model->n_hosts; i++) {
        assert_int_equal(atomic_load(&rig_host_row(rig, i)->in_flight), 0);
        assert_int_equal(atomic_load(&rig_host_shard(rig, i)->in_flight), 0);
    }
    for (uint32_t i = 0; i < model->n_services; i++) {
        const struct service_shard *shard = rig->generation->services[i].shard;
        assert_int_equal(atomic_load(&shard->connections), 0);
        assert_int_equal(atomic_load(&shard->waiting), 0);
    }
    assert_true(list_is_empty(&rig->relay.busy_lines));
}

void rig_assert_at_rest(const struct relay_rig *rig)
{
    const struct relay *relay = &rig->relay;

    assert_int_equal(relay->n_open, 0);
    assert_true(list_is_empty(&relay->all));
    assert_true(list_is_empty(&relay->graves));
    assert_int_equal(relay->conns.taken, 0);
    assert_int_equal(relay->buffers.taken, 0);
    assert_int_equal(relay->wheel.n_hung, 0);
    assert_int_equal(relay->live.n_free, relay->live.used);
    for (uint32_t i = 0; i < relay->live.used; i++)
        assert_int_equal(atomic_load(&live_row(&rig->segment, RIG_SLOT, i)->id), 0);
    assert_int_equal(rig->generation->references, 1);
    assert_nothing_claimed(rig);
    assert_int_equal(rig_count_fds(), rig->n_fds + relay->n_parked + 2 * relay->pipes.n_made);
}

void rig_close(struct relay_rig *rig)
{
    struct relay *relay = &rig->relay;

    rig_assert_at_rest(rig);
    generation_put(rig->generation);
    assert_int_equal(relay->n_parked, 0);
    live_allot_fini(&relay->live);
    pool_fini(&relay->conns);
    pool_fini(&relay->buffers);
    splice_fini(&relay->pipes);
    warm_fini(relay);
    bells_fini(&relay->bells);
    access_log_fini(&relay->access);
    free(relay->scratch);
    ev_loop_destroy(relay->loop);
    close(rig->door);
    segment_fini(&rig->segment);
}

/* ---- time ---- */

/* As a worker does at each turn of its loop. */
static void beat(struct relay_rig *rig)
{
    struct slot_row *row = &rig->segment.slots[RIG_SLOT];

    atomic_store(&row->pid, (int32_t)getpid());
    atomic_store(&row->heartbeat_ns, rig->relay.now_ns);
}

void rig_turn(struct relay_rig *rig)
{
    beat(rig);
    ration_renew(&rig->relay.ration);
    ev_run(rig->relay.loop, EVRUN_NOWAIT);
    life_bury(&rig->relay);
}

void rig_advance(struct relay_rig *rig, uint64_t by_ms)
{
    rig->relay.now_ns += by_ms * CLOCK_NS_PER_MS;
    beat(rig);
    deadline_advance(&rig->relay.wheel, rig->relay.now_ns, life_look);
    life_bury(&rig->relay);
}

/* Turns once, then rests for a moment, shorter when fd has something (-1: none). */
static void turn_and_wait(struct relay_rig *rig, int fd)
{
    rig_turn(rig);
    is_ready(fd, POLLIN, PAUSE_MS);
}

static uint64_t patience_ns(void)
{
    return clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;
}

void rig_run_until_open(struct relay_rig *rig, uint64_t n_open)
{
    uint64_t end_ns = patience_ns();

    for (rig_turn(rig); rig->relay.n_open != n_open; turn_and_wait(rig, -1))
        assert_true(clock_now_ns() < end_ns);
}

void rig_run_until_phase(struct relay_rig *rig, enum phase phase)
{
    uint64_t end_ns = patience_ns();

    for (; rig_newest(rig)->phase != phase; turn_and_wait(rig, -1))
        assert_true(clock_now_ns() < end_ns);
}

/* ---- clients and hosts ---- */

int rig_connect(const struct relay_rig *rig, int receive_bytes, int *arrived)
{
    const struct addr *address = &rig->door_address;
    int fd = sock_open_stream(AF_INET);

    assert_true(fd >= 0);
    if (receive_bytes > 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(int)), 0);
    int result = connect(fd, &address->any, address->length);
    assert_true(result == 0 || errno == EINPROGRESS);
    *arrived = accept_one(rig->door, NULL);
    assert_true(is_ready(fd, POLLOUT, PATIENCE_MS));
    return fd;
}

/* The address that the relay is told a client came from. */
static struct addr client_address(int arrived)
{
    struct addr address = {.length = sizeof address.un};
    assert_int_equal(getpeername(arrived, &address.any, &address.length), 0);
    return address;
}

void rig_start(struct relay_rig *rig, size_t service, int arrived)
{
    struct addr client = client_address(arrived);
    const struct life_arrival arrival = {.fd = arrived,
                                         .client = &client,
                                         .generation = rig->generation,
                                         .service = &rig->generation->services[service],
                                         .entrance =
                                             rig->generation->services[service].entrances};
    life_start(&rig->relay, &arrival);
}

int rig_client(struct relay_rig *rig, const char *says)
{
    int arrived;
    int fd = rig_connect(rig, 0, &arrived);

    if (says != NULL) {
        rig_say(fd, says);
        assert_true(is_ready(arrived, POLLIN, PATIENCE_MS));
    }
    rig_start(rig, 0, arrived);
    return fd;
}

struct conn *rig_newest(const struct relay_rig *rig)
{
    assert_false(list_is_empty(&rig->relay.all));
    return container_of(rig->relay.all.prev, struct conn, all);
}

static void on_nothing(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    (void)loop;
    (void)watch;
    (void)revents;
}

struct conn *rig_admit(struct relay_rig *rig, int *client)
{
    int arrived;
    *client = rig_connect(rig, 0, &arrived);
    struct addr address = client_address(arrived);
    const struct life_arrival arrival = {.fd = arrived,
                                         .client = &address,
                                         .generation = rig->generation,
                                         .service = &rig->generation->services[0],
                                         .entrance = rig->generation->services[0].entrances};
    struct conn *c = admit_new(&rig->relay, &arrival, on_nothing);
    assert_non_null(c);
    return c;
}

void rig_claim(struct conn *c, uint32_t target)
{
    const struct group *group = &c->way->line->group;
    assert_true(host_claim(group->segment, group->slot, group->hosts[target].number, 0));
    c->target = target;
    c->has_claim = true;
}

void rig_dismiss(struct relay_rig *rig, struct conn *c)
{
    life_end(c, OUTCOME_OK);
    life_bury(&rig->relay);
}

void rig_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void rig_reset(int fd)
{
    sock_arm_reset(fd);
    close(fd);
}

/* Turns until fd can be read, or has failed. */
static void await(struct relay_rig *rig, int fd)
{
    uint64_t end_ns = patience_ns();

    for (rig_turn(rig); !is_ready(fd, POLLIN, 0); turn_and_wait(rig, fd))
        assert_true(clock_now_ns() < end_ns);
}

void rig_expect(struct relay_rig *rig, int fd, const char *text)
{
    char got[MOST_TEXT];
    size_t length = strlen(text), n = 0;

    assert_true(length < sizeof got);
    while (n < length) {
        await(rig, fd);
        ssize_t more = recv(fd, got + n, length - n, 0);
        if (more <= 0)
            fail_msg("the other side ended (%s) after %zu bytes of \"%s\"",
                     more == 0 ? "FIN" : strerror(errno), n, text);
        n += (size_t)more;
    }
    assert_memory_equal(got, text, length);
}

void rig_expect_end(struct relay_rig *rig, int fd)
{
    char byte;
    await(rig, fd);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void rig_expect_reset(struct relay_rig *rig, int fd)
{
    char byte;
    await(rig, fd);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

int rig_open_refusing(struct addr *address)
{
    *address = loopback_v4(0);
    int fd = open_bound(address);
    *address = bound_address(fd);
    return fd;
}

int rig_open_full(struct addr *address, int *filler)
{
    *address = loopback_v4(0);
    int fd = open_bound(address);
    /* A queue for none takes one all the same. */
    assert_int_equal(sock_listen(fd, 0), 0);
    *address = bound_address(fd);
    *filler = connect_to(address);
    return fd;
}

void rig_drain_full(struct relay_rig *rig, int listener, int filler)
{
    close(accept_one(listener, NULL));
    close(filler);
    rig->n_fds--;
}

/* ---- a rig with hosts ---- */

void rig_scene_open(struct rig_scene *scene, const char *kinds, const char *service_lines)
{
    char lines[1024] = "";

    scene->n_hosts = (int)strlen(kinds);
    assert_true(scene->n_hosts <= RIG_MOST_HOSTS);
    for (int i = 0; i < scene->n_hosts; i++) {
        struct addr address;
        size_t length = strlen(lines);
        scene->sockets[i] =
            kinds[i] == 'o' ? open_listening(&address) : rig_open_refusing(&address);
        snprintf(lines + length, sizeof lines - length, "host = h%d 127.0.0.1:%u\n", i,
                 addr_port(&address));
    }
    rig_open(&scene->rig, RIG_SERVICE "%s" RIG_GROUP "eject_failures = 0\n%s", service_lines,
             lines);
}

void rig_scene_close(struct rig_scene *scene)
{
    assert_int_equal(scene->rig.n_ended,
                     atomic_load(&rig_service_shard(&scene->rig)->connections_total));
    rig_close(&scene->rig);
    close_all(scene->sockets, scene->n_hosts);
}

int rig_scene_accept(const struct rig_scene *scene, int index)
{
    return accept_one(scene->sockets[index], NULL);
}

void rig_scene_assert_nobody(const struct rig_scene *scene, int index)
{
    assert_false(is_ready(scene->sockets[index], POLLIN, 0));
}

void rig_scene_assert_ended(struct rig_scene *scene, enum outcome outcome)
{
    rig_run_until_open(&scene->rig, 0);
    for (enum outcome i = OUTCOME_OPEN; i < OUTCOMES; i++)
        assert_int_equal(rig_outcomes(&scene->rig, i), i == outcome);
}

/* ---- looking ---- */

struct service_shard *rig_service_shard(const struct relay_rig *rig)
{
    return service_shard(&rig->segment, RIG_SLOT, RIG_FIRST_SERVICE);
}

uint64_t rig_outcomes(const struct relay_rig *rig, enum outcome outcome)
{
    return atomic_load(&rig_service_shard(rig)->outcomes[outcome]);
}

struct host_shard *rig_host_shard(const struct relay_rig *rig, uint32_t index)
{
    return host_shard(&rig->segment, RIG_SLOT, RIG_FIRST_HOST + index);
}

struct host_row *rig_host_row(const struct relay_rig *rig, uint32_t index)
{
    return &rig->segment.hosts[RIG_FIRST_HOST + index];
}

int rig_count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        n += entry->d_name[0] != '.';
    closedir(folder);
    return n - 1; /* without the folder's own */
}

void rig_limit_fds(uint64_t most)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

uint64_t rig_exhaust_fds(void)
{
    struct rlimit limit;
    int lowest_free = dup(STDERR_FILENO);

    assert_true(lowest_free >= 0);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rig_limit_fds((uint64_t)lowest_free);
    return limit.rlim_cur;
}
