/* SPDX-License-Identifier: MIT */
/* The words for the phases of a connection, and for how one ended. */
#include "share/outcome.h"

#include <assert.h>
#include <stddef.h>

const char *phase_word(enum phase phase)
{
    static const char *const words[PHASES] = {
        [PHASE_PROXY] = "proxy",         [PHASE_HELLO] = "hello", [PHASE_STARTTLS] = "starttls",
        [PHASE_HANDSHAKE] = "handshake", [PHASE_OCSP] = "ocsp",   [PHASE_QUEUE] = "queue",
        [PHASE_CONNECT] = "connect",     [PHASE_RELAY] = "relay", [PHASE_CLOSING] = "closing",
        [PHASE_SORRY] = "sorry",
    };
    /* The value may come from a row of another process: anything foreign is shown as such. */
    if ((size_t)phase >= PHASES)
        return "unknown";
    assert(words[phase] != NULL);
    return words[phase];
}

const char *outcome_word(enum outcome outcome)
{
    static const char *const words[OUTCOMES] = {
        [OUTCOME_OPEN] = "open",
        [OUTCOME_OK] = "ok",
        [OUTCOME_IDLE] = "idle",
        [OUTCOME_LIFETIME] = "lifetime",
        [OUTCOME_CLIENT_RESET] = "client_reset",
        [OUTCOME_HOST_RESET] = "host_reset",
        [OUTCOME_CONNECT_FAILED] = "connect_failed",
        [OUTCOME_NO_HOST] = "no_host",
        [OUTCOME_QUEUE_TIMEOUT] = "queue_timeout",
        [OUTCOME_DENIED] = "denied",
        [OUTCOME_LIMITED] = "limited",
        [OUTCOME_HANDSHAKE_FAILED] = "handshake_failed",
        [OUTCOME_KILLED] = "killed",
        [OUTCOME_SHUTDOWN] = "shutdown",
    };
    if ((size_t)outcome >= OUTCOMES)
        return "unknown";
    assert(words[outcome] != NULL);
    return words[outcome];
}
