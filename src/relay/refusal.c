/* SPDX-License-Identifier: MIT */
/* What the log hears of clients whose opening was not as it must be. */
#include "relay/refusal.h"

#include "base/text.h"
#include "relay/admit.h"
#include "relay/generation.h"

enum outcome refusal_outcome(enum opening_verdict verdict)
{
    static const enum outcome outcomes[] = {[OPENING_REFUSED] = OUTCOME_HANDSHAKE_FAILED,
                                            [OPENING_LEFT] = OUTCOME_CLIENT_RESET,
                                            [OPENING_DENIED] = OUTCOME_DENIED,
                                            [OPENING_LIMITED] = OUTCOME_LIMITED};

    return outcomes[verdict];
}

enum opening_verdict refusal_tell(const struct conn *c, const char *what, const char *why)
{
    return refusal_tell_of(c, what, why, NULL);
}

enum opening_verdict refusal_tell_of(const struct conn *c, const char *what, const char *why,
                                     const char *subject)
{
    struct text shown = {0};
    struct addr client;
    char printed[ADDR_TEXT_BYTES];
    uint64_t unshown = 0;

    if (!log_limit_pass(&c->service->refusals, c->relay->now_ns, &unshown))
        return OPENING_REFUSED;
    admit_read_client(c, &client);
    if (subject != NULL)
        text_add_escaped(&shown, subject);
    log_warning("service %s: client %s is refused: %s: %s%s%s (%llu more not shown)",
                c->service->model->name, addr_print(printed, &client), what, why,
                subject != NULL ? ": " : "", shown.at != NULL ? shown.at : "",
                (unsigned long long)unshown);
    text_fini(&shown);
    return OPENING_REFUSED;
}
