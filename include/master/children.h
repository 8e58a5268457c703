/* SPDX-License-Identifier: MIT */
/* Starts, watches and replaces the worker processes with the director. */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include <ev.h>

#include "master/spawn.h"
#include "master/supervisor.h"
#include "share/bells.h"
#include "share/channel.h"
#include "share/segment.h"

#define CHILD_DIRECTOR SUPERVISED_DIRECTOR
#define CHILD_PLACES SUPERVISED_PLACES

enum child_state {
    CHILD_ABSENT,
    CHILD_STARTING, /* runs, acts on no configuration yet */
    CHILD_UP,       /* acts on one */
    CHILD_WAITING   /* died; the next try comes when its delay is over */
};

struct children;

/* One place for a process. Owner: struct children. */
struct child {
    struct children *children;
    uint32_t place; /* worker slot, or CHILD_DIRECTOR */
    enum child_state state;
    bool is_leaving;  /* will not be replaced */
    bool is_renewed;  /* was told to end so that a new one can take its place */
    bool is_newcomer; /* was started for a configuration not yet committed everywhere */
    bool is_put_down; /* was sent SIGABRT */
    pid_t pid;        /* 0 = none */
    uint64_t started_ns;
    struct channel channel;
    struct ev_io on_channel;
    struct ev_child on_exit;
    struct ev_timer
        timer; /* STARTING: it takes too long; WAITING: next try; else SIGKILL after SIGABRT */
    char *
        why; /* why the last one could not work, in its own words; NULL = it said nothing; owned */
    uint32_t delay_ms; /* before the next try; 0 = at once */
    /* The rollout's notes. */
    uint64_t asked;               /* generation of the last PREPARE it was sent */
    uint64_t prepared, committed; /* generations it agreed to, acts on; 0 = none */
    /* Adoption's notes. */
    uint32_t adopter; /* place of the worker that accepts for it; CHILD_PLACES = none */
    enum supervisor_stage seen_stage; /* what was last made of its silence */
};

/* What happens to children, told upwards. */
struct child_events {
    void (*on_started)(void *context, struct child *child); /* greet it */
    void (*on_message)(void *context, struct child *child, struct received *message);
    /* Reaped and settled; state is WAITING (it will be replaced) or ABSENT. */
    void (*on_ended)(void *context, struct child *child);
};

struct children {
    struct ev_loop *loop;
    struct segment *segment;
    const struct spawn *spawn;
    const struct child_events *events;
    void *context;
    bool is_stopping;   /* nobody is replaced any more */
    uint64_t alert_ns;  /* when an error line about a failed start was written last */
    struct bells bells; /* the director's, and one for each slot that ever was in use */
    struct child places[CHILD_PLACES];
    struct received received;
};

void children_init(struct children *children, struct ev_loop *loop, struct segment *segment,
                   const struct spawn *spawn);
void children_fini(struct children *children);

/*
 * Starts a process in an empty place; when that fails it is tried again, later. A slot that comes
 * into use gets its bell, which all that run are lent.
 */
void child_start(struct child *child);

/* Sends a message without payload. A child that cannot take it is as good as dead: it is killed. */
void child_tell(struct child *child, enum message_kind kind, uint64_t generation,
                uint64_t number);
void child_send(struct child *child, const struct message *message, const void *payload,
                size_t length, const int *fds, int n_fds);

/* Lends it n bells from this one on, without those that are not there. */
void child_lend_bells(struct child *child, uint32_t first, uint32_t n);

/* It acts on its first configuration: from now on its death means a replacement at once. */
void child_is_up(struct child *child);

/* Sends SIGABRT, half a second later SIGKILL. */
void child_put_down(struct child *child);

/* Ends its wait for the next try, or kills it. It will not be replaced. */
void child_remove(struct child *child, int signal);

bool child_is_worker(const struct child *child);
bool child_is_running(const struct child *child);

/* "worker 3", "director"; kept in out. */
#define CHILD_NAME_BYTES 24
const char *child_name(char out[CHILD_NAME_BYTES], const struct child *child);

/* The delay after one of delay_ms: 100 ms, doubling to 10 s. */
uint32_t child_next_delay_ms(uint32_t delay_ms);

/* "was killed by SIGSEGV (core dumped)", "ended with status 1". */
void child_print_end(struct text *out, int status);

/* Running processes: workers, or workers with the director. */
size_t children_running(const struct children *children, bool with_director);

#endif
