/* SPDX-License-Identifier: MIT */
/* The words for the phases of a connection, and for how one ended. */
#ifndef SHARE_OUTCOME_H
#define SHARE_OUTCOME_H

/* Order = the order a connection passes them; the table of what happens in each is relay/life.c's. */
enum phase {
    PHASE_PROXY,
    PHASE_HELLO,
    PHASE_STARTTLS,
    PHASE_HANDSHAKE,
    PHASE_OCSP,
    PHASE_QUEUE,
    PHASE_CONNECT,
    PHASE_RELAY,
    PHASE_CLOSING,
    PHASE_SORRY,
    PHASES
};

/* The access log's status, as gaidaros(8) explains them; the order is part of the segment's layout. */
enum outcome {
    OUTCOME_OPEN, /* has not ended */
    OUTCOME_OK,
    OUTCOME_IDLE,
    OUTCOME_LIFETIME,
    OUTCOME_CLIENT_RESET,
    OUTCOME_HOST_RESET,
    OUTCOME_CONNECT_FAILED,
    OUTCOME_NO_HOST,
    OUTCOME_QUEUE_TIMEOUT,
    OUTCOME_DENIED,
    OUTCOME_LIMITED,
    OUTCOME_HANDSHAKE_FAILED,
    OUTCOME_KILLED,
    OUTCOME_SHUTDOWN,
    OUTCOMES
};

/* "queue", "connect", ...; static text. */
const char *phase_word(enum phase phase);

/* "ok", "idle", ... as in the access log; "open" for OUTCOME_OPEN. */
const char *outcome_word(enum outcome outcome);

#endif
