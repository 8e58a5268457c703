/* SPDX-License-Identifier: MIT */
/* A whole relay over a real segment, real sockets on loopback, for the tests of relay and of worker/accept. */
#ifndef TESTS_UNIT_RELAY_RIG_H
#define TESTS_UNIT_RELAY_RIG_H

#include "relay/generation.h"
#include "relay/life.h"
#include "sock_rig.h"

/* Row numbers differ from indexes and from each other, so that they cannot be mixed up. */
enum {
    RIG_SLOT = 2,
    RIG_FIRST_SERVICE = 3,
    RIG_FIRST_GROUP = 9,
    RIG_FIRST_HOST = 17,
    RIG_FIRST_LISTENER = 33,
    RIG_BUFFER_BYTES = 65536,
    RIG_MOST_HOSTS = 6
};

/* A service with the group that follows: what most tests need of a file. */
#define RIG_SERVICE "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"
#define RIG_GROUP "[group main]\nscheduler = first\n"

/*
 * The rig's clock stands still: only rig_advance moves relay.now_ns, so that no limit is
 * reached because the machine is slow.
 */
struct relay_rig {
    struct relay relay;
    struct segment segment;
    struct generation *generation; /* one reference */
    struct addr door_address;      /* where clients of rig_connect come in */
    int door;
    size_t n_ended; /* calls of relay.on_end */
    int n_fds;      /* open descriptors while nothing goes on */
};

/* Opens a rig on the configuration that the format makes. */
void rig_open(struct relay_rig *rig, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asserts that all is at rest, frees everything. */
void rig_close(struct relay_rig *rig);

/*
 * Asserts that ended connections have left nothing behind: objects, descriptors, claims, gauges,
 * rows. The test has closed its own ends before.
 */
void rig_assert_at_rest(const struct relay_rig *rig);

/* The bundle of a configuration with the rig's row numbers; the descriptor is the caller's. */
int rig_bundle(const char *text);

/* One more generation from a text, with one reference. */
struct generation *rig_generation(struct relay_rig *rig, uint64_t id, const char *text);

/* ---- time ---- */

/* One turn of the loop, as the worker makes it; waits for nothing. */
void rig_turn(struct relay_rig *rig);

/* Moves the clock, looks at the limits that are reached. */
void rig_advance(struct relay_rig *rig, uint64_t by_ms);

/* Turns until so many connections are open. */
void rig_run_until_open(struct relay_rig *rig, uint64_t n_open);

/* Turns until the newest connection is in the phase. */
void rig_run_until_phase(struct relay_rig *rig, enum phase phase);

/* ---- clients and hosts, played by the test ---- */

/* A client's end; *arrived is the accepted one. receive_bytes: SO_RCVBUF of the client, 0 = the system's. */
int rig_connect(const struct relay_rig *rig, int receive_bytes, int *arrived);

/* Begins the life of an accepted socket at the service with the index. */
void rig_start(struct relay_rig *rig, size_t service, int arrived);

/* A client of the first service whose life has begun. It has said so much by then; NULL: nothing. */
int rig_client(struct relay_rig *rig, const char *says);

/* The connection that came last; there must be one. */
struct conn *rig_newest(const struct relay_rig *rig);

/* A connection of the first service that is admitted, in no phase's hands; *client is its other end. */
struct conn *rig_admit(struct relay_rig *rig, int *client);

/* Claims a place at the host with the index for it. */
void rig_claim(struct conn *c, uint32_t target);

/* Ends it as life would, gives its memory back. */
void rig_dismiss(struct relay_rig *rig, struct conn *c);

void rig_say(int fd, const char *text);

/* Closes with a reset. */
void rig_reset(int fd);

/* Turns until exactly the text has come in at fd. */
void rig_expect(struct relay_rig *rig, int fd, const char *text);

/* Turns until the other side ends: with a FIN, nothing before it; with a reset. */
void rig_expect_end(struct relay_rig *rig, int fd);
void rig_expect_reset(struct relay_rig *rig, int fd);

/* An address of 127.0.0.1 that refuses; the descriptor holds it. */
int rig_open_refusing(struct addr *address);

/* A listener, opened before the rig, that answers no further handshake; filler sits in its queue. */
int rig_open_full(struct addr *address, int *filler);

/* It answers again: whoever waits there asks once more within a second. */
void rig_drain_full(struct relay_rig *rig, int listener, int filler);

/* ---- a rig with hosts ---- */

/* Hosts h0, h1, ... on loopback, tried in this order by connections of the one service. */
struct rig_scene {
    struct relay_rig rig;
    int sockets[RIG_MOST_HOSTS]; /* of the hosts */
    int n_hosts;
};

/* kinds: a letter a host, 'o' open, 'r' refusing. service_lines: added to the service. */
void rig_scene_open(struct rig_scene *scene, const char *kinds, const char *service_lines);

/* All is over by now: see rig_close. */
void rig_scene_close(struct rig_scene *scene);

/* The relay's connection at the host with the index. */
int rig_scene_accept(const struct rig_scene *scene, int index);

void rig_scene_assert_nobody(const struct rig_scene *scene, int index);

/* Turns until none is open: one connection has ended so, none in any other way. */
void rig_scene_assert_ended(struct rig_scene *scene, enum outcome outcome);

/* ---- looking ---- */

uint64_t rig_outcomes(const struct relay_rig *rig, enum outcome outcome);
struct service_shard *rig_service_shard(const struct relay_rig *rig);
struct host_shard *rig_host_shard(const struct relay_rig *rig, uint32_t index);
struct host_row *rig_host_row(const struct relay_rig *rig, uint32_t index);

int rig_count_fds(void);

/* Takes care that no descriptor can be opened any more; returns the limit to go back to. */
uint64_t rig_exhaust_fds(void);
void rig_limit_fds(uint64_t most);

#endif
