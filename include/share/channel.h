/* SPDX-License-Identifier: MIT */
/* Messages with descriptors between master, director, workers. */
#ifndef SHARE_CHANNEL_H
#define SHARE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/fdpass.h"

#define CHANNEL_CHILD_FD 3        /* a child's end of its channel */
#define CHANNEL_MOST_BYTES 65536  /* a message with its head */
#define CHANNEL_MOST_WAITING 4096 /* messages kept for a peer that does not read */

/*
 * m>c master to child, c>m the other way, w worker, d director. Every message begins with
 * struct message; "text" below is the rest of the message, not NUL-terminated.
 */
enum message_kind {
    MSG_HELLO = 1, /* m>c  payload struct hello; fds: segment, log pipe (write end), access pipe
                      (worker: write end, or director: see hello) */
    MSG_SOCKETS, /* m>w  payload uint32_t listener ids[]; fds: one socket each, this worker's own */
    MSG_PREPARE, /* m>c  generation; fds: bundle; flag = the keys that are for it; to the director also the bundle of the file, when edits changed it */
    MSG_READY,   /* c>m  generation */
    MSG_REFUSED, /* c>m  generation, text: problems */
    MSG_COMMIT,  /* m>c  generation; number = connections a worker may have from now on */
    MSG_COMMITTED, /* c>m  generation: the child acts on it */
    MSG_ABORT, /* m>c  generation; flag = the same comes again at once, with other addresses */
    MSG_RETIRED, /* c>m  generation: nothing here uses it any more */
    MSG_ADOPT, /* m>w  payload uint32_t listener ids[]; number = slot they belong to; fds: their sockets:
                      accept for that slot too */
    MSG_RELEASE, /* m>w  number = slot: stop accepting for it, close those sockets */
    MSG_DROP, /* m>w  payload uint32_t listener ids[]: stop accepting on own sockets of these and close them */
    MSG_DROPPED, /* w>m  the same ids: done */
    MSG_DRAIN, /* m>w  number = milliseconds (0 = no limit): accept goes on until DROP, end when the last connection has;
                      m>d  answer 503 at /healthz from now on */
    MSG_STOP,  /* m>c  end at once, connections with outcome shutdown */
    MSG_LOGS,  /* m>d  fds: log sink, access sink (in this order, per payload struct logs) */
    MSG_RELOAD, /* d>m  number = request: please reload; answered by RESULT */
    MSG_RESULT, /* m>d  number = request (RELOAD, REOPEN, PROPOSE, SAVE), flag = 1 ok, 0 refused, else the status of HTTP it is refused with; generation: the current one; text: message for the caller */
    MSG_REOPEN, /* d>m  number = request: open the logs anew, as by USR1; answered by RESULT */
    MSG_SHUTDOWN,  /* d>m  stop as by TERM */
    MSG_BELLS,     /* m>c  payload uint32_t slots[]; fds: the bell of each */
    MSG_ADDRESSES, /* d>m  fds: one memfd, addresses_encode: what names are known to mean now; a
                      change begins a rollout. Sent before READY of a generation whose names were all new */
    MSG_FETCHED, /* d>m  fds: one memfd, fetched_encode: something that the configuration has a use for; a change begins a rollout */
    MSG_FAILED,  /* c>m  text: why this process cannot work; it ends */
    MSG_RELOADED, /* m>d  number = wall time in ns, flag = ok, text: how the last reload ended */
    MSG_PROPOSE, /* d>m  number = request, payload edit_encode: change the current configuration; RESULT */
    MSG_SAVE, /* d>m  number = request: write the running configuration to its file; answered by RESULT */
    MSG_PEER, /* m>c  number = slot (to the director); fds: one end of the director's line to that worker */
    MESSAGE_END /* one more than the last kind */
};

struct message {
    uint32_t kind; /* enum message_kind */
    uint32_t flag;
    uint64_t generation;
    uint64_t number;
};

/* How a log is written; the descriptors come with the message. */
struct logs {
    uint32_t has_log_sink,
        has_access_sink; /* a descriptor for each that is set, in this order */
    /* Syslog facility, -1 = not syslog; with a descriptor: that of datagrams to a server. */
    int32_t log_facility, access_facility;
};

/*
 * First message to a child. Descriptors in this order: segment; log pipe write end; access pipe
 * write end (workers) ; log pipe read end, access pipe read end (director only, in place of
 * the access write end: segment, log write, log read, access read), then the admin listeners in
 * the order of model.admin.listens, then the control socket if has_control.
 */
struct hello {
    uint32_t slot; /* workers */
    uint32_t incarnation;
    uint32_t log_level;
    uint32_t has_control, n_admin; /* director */
    uint32_t tls_doors;            /* director: a bit for each admin listener that speaks TLS */
    uint64_t max_connections; /* workers: resolved from the file and the descriptor limit */
    uint32_t n_workers;       /* workers: so many bells are to be expected */
    uint32_t poller;          /* enum poller */
    int32_t master_pid;
};

/*
 * One end of a channel with a queue of what the peer could not take yet. The owner watches
 * fd for reading always, for writing while channel_is_waiting.
 */
struct channel {
    int fd;
    struct list_node waiting; /* queued messages; their descriptors are duplicates we own */
    size_t n_waiting;
};

/* Takes the descriptor over. */
void channel_init(struct channel *channel, int fd);
void channel_fini(struct channel *channel);

/*
 * Sends, or queues when the peer is busy, one message.
 * payload  may be NULL when length is 0; together with the head at most CHANNEL_MOST_BYTES
 * fds      stay the caller's, n_fds <= FDPASS_MOST
 * Returns 0, or -1 with errno (EPIPE and ECONNRESET: the peer is gone; ENOBUFS: it has not read
 * for so long that CHANNEL_MOST_WAITING messages wait; EMSGSIZE: too much for one message).
 */
int channel_send(struct channel *channel, const struct message *message, const void *payload,
                 size_t length, const int *fds, int n_fds);

/* True while messages are queued: watch for writing and call channel_flush. */
int channel_is_waiting(const struct channel *channel);

/* Sends what the peer takes now. 0 (some may still wait), or -1 with errno as channel_send. */
int channel_flush(struct channel *channel);

/* A received message. payload points into the caller's received struct. */
struct received {
    struct message head;
    _Alignas(8) unsigned char bytes[CHANNEL_MOST_BYTES];
    unsigned char *payload; /* aligned to 8 */
    size_t length;          /* of payload */
    int fds[FDPASS_MOST];   /* the caller's: close or keep each */
    int n_fds;
};

/* Returns 1 with a message, 0 when none waits now, -1 when the peer is gone (errno 0) or sent nonsense (EPROTO, descriptors closed). */
int channel_receive(struct channel *channel, struct received *received);

/* The next of a message's descriptors, the caller's from then on; -1 when there is none. next: 0 at first */
int channel_take_fd(struct received *received, int *next);

/* The numbers that are the message's payload, at most FDPASS_MOST. Returns how many. */
size_t channel_read_numbers(const struct received *received, uint32_t numbers[FDPASS_MOST]);

/* Closes every descriptor of the message. */
void channel_close_fds(struct received *received);

#endif
