/* SPDX-License-Identifier: MIT */
/* Which of the three processes am I? */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/secure.h"
#include "base/hash.h"
#include "director/checks.h"
#include "director/director.h"
#include "master/master.h"
#include "relay/generation.h"
#include "share/channel.h"
#include "worker/worker.h"

/* Master starts children with a word of its own as argv[0] and the channel as descriptor 3. */
static bool is_child(const char *argv0, const char *role)
{
    int type = 0;
    socklen_t length = sizeof type;
    return argv0 != NULL && strcmp(argv0, role) == 0 &&
           getsockopt(CHANNEL_CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_SEQPACKET;
}

/* As the director would, before it agrees. */
static bool can_direct(int bundle_fd, int keys_fd, struct problems *problems)
{
    struct bundle_rows rows;
    struct model *model =
        bundle_unpack_whole(bundle_fd, keys_fd, KEY_OF_DIRECTOR, &rows, problems);
    bool is_good = model != NULL;
    if (is_good)
        is_good = checks_verify(model, problems) & secure_verify(model, problems);
    conf_free(model);
    return is_good;
}

/* For --test: a worker's PREPARE without a worker, on a segment of its own. */
static bool prepare(int bundle_fd, const struct bundle_keys *keys, struct problems *problems)
{
    struct segment segment;
    struct random random;
    if (segment_create(&segment, NULL) != 0) {
        problems_add(problems, NULL, NULL, NULL, "cannot make the shared segment: %s",
                     strerror(errno));
        return false;
    }
    random_init(&random, 0);
    struct generation_place place = {.segment = &segment, .slot = 0, .random = &random};
    struct generation *generation =
        generation_new(&place, bundle_fd, keys->workers_fd, 1, problems);
    if (generation != NULL)
        generation_put(generation);
    segment_fini(&segment);
    return generation != NULL && can_direct(bundle_fd, keys->director_fd, problems);
}

int main(int argc, char **argv)
{
    if (argc > 0 && is_child(argv[0], "gaidaros: worker"))
        return worker_main(CHANNEL_CHILD_FD);
    if (argc > 0 && is_child(argv[0], "gaidaros: director"))
        return director_main(CHANNEL_CHILD_FD);
    return master_main(argc, argv, prepare);
}
