/* SPDX-License-Identifier: MIT */
/* Who asked for a reload, and what they are told. */
#ifndef MASTER_REQUESTS_H
#define MASTER_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/text.h"

struct master;

enum asker {
    ASKER_START,
    ASKER_SIGNAL,
    ASKER_DIRECTOR,
    ASKER_NAMES, /* names of hosts mean something else, lists, staples or certificates are new: no configuration is read */
    ASKER_EDIT,  /* the director, for an admin: the current configuration with a change */
    ASKER_SAVE /* the director, for an admin: the current configuration is written to its files, which are read again */
};

/* Owner: the list it is in. */
struct request {
    struct list_node node;
    enum asker asker;
    uint64_t number;  /* the director's own */
    pid_t pid;        /* the director that asked */
    struct text edit; /* ASKER_EDIT: owned, see edit_decode */
    struct text said; /* owned: what its caller is told when all went well */
    bool is_alone;    /* ASKER_EDIT: others went wrong with it, it is tried by itself */
};

/* Frees it; it is in no list. NULL does nothing. */
void request_free(struct request *request);

/* Answers; only a director that still lives is told anything, others read the log. */
void requests_answer_one(struct master *master, const struct request *request, bool is_ok,
                         const char *text);

/* Refuses it with a status of HTTP. */
void requests_refuse_one(struct master *master, const struct request *request,
                         unsigned int status, const char *text);

/* How the last reload ended. Owner: the rollout. */
struct last_reload {
    int64_t wall_ns; /* when; 0 = there was none since the start */
    bool is_ok;
    char *text; /* owned */
};

/* Keeps how a reload ended, and tells the director, which shows it until the next one's end. */
void requests_remember(struct master *master, bool is_ok, const char *text);

/* Tells the director, which may be a new one, how the last reload ended; nothing when there was none. */
void requests_tell_last(struct master *master);

/* Answers all of the list and frees them. */
void requests_answer(struct master *master, struct list_node *requests, bool is_ok,
                     const char *text);

#endif
