/* SPDX-License-Identifier: MIT */
/* Who the processes run as, which capabilities master keeps, how many descriptors a process may open. */
#include "master/privileges.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf/directives.h"
#include "master/processors.h"
#include "share/segment.h"

/* What a worker opens besides connections: channel, logs, segment, epoll; then pipes, kept host sockets. */
enum {
    DESCRIPTORS_BESIDES = 28,
    DESCRIPTORS_A_CONNECTION = 2,
    DESCRIPTORS_EXTRA = 192,
    SETS_HELD = 4 /* of listening sockets: the own one, and those of siblings */
};

static const char default_user[] = "gaidaros";

/* The account's own groups, as login(1) would give them. */
static void find_groups(struct account *account, const char *name)
{
    int n = ACCOUNT_GROUPS;
    if (getgrouplist(name, account->gid, account->groups, &n) < 0) {
        account->groups[0] = account->gid;
        n = 1;
    }
    account->n_groups = (size_t)n;
}

static const struct passwd *find_user(const struct model_global *global, struct text *notes,
                                      struct text *error)
{
    bool is_named = global->user[0] != '\0';
    const struct passwd *user = getpwnam(is_named ? global->user : default_user);
    if (user == NULL && is_named) {
        text_printf(error, "user %s is unknown", global->user);
        return NULL;
    }
    if (user == NULL) {
        user = getpwnam("nobody");
        text_printf(notes, "there is no account %s and no `user` line: workers run as nobody",
                    default_user);
    }
    if (user == NULL)
        text_add(error, "neither an account gaidaros nor nobody exists: give a `user` line");
    return user;
}

int account_find(struct account *account, const struct model_global *global, struct text *notes,
                 struct text *error)
{
    *account = (struct account){0};
    if (geteuid() != 0) {
        if (global->user[0] != '\0' || global->group[0] != '\0')
            text_add(notes, "only root can switch to another `user` or `group`: all processes "
                            "run as who started them");
        return 0;
    }
    const struct passwd *user = find_user(global, notes, error);
    if (user == NULL)
        return -1;
    account->is_switched = true;
    account->uid = user->pw_uid;
    account->gid = user->pw_gid;
    find_groups(account, user->pw_name);
    if (global->group[0] == '\0')
        return 0;
    const struct group *group = getgrnam(global->group);
    if (group == NULL) {
        text_printf(error, "group %s is unknown", global->group);
        return -1;
    }
    account->gid = group->gr_gid;
    account->groups[0] = group->gr_gid;
    account->n_groups = 1;
    return 0;
}

/*
 * No capability in any set but, where asked for, CAP_NET_RAW, which exec(2) then passes on
 * (an ambient one, see capabilities(7)).
 */
static int drop_capabilities(bool keeps_net_raw)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {0};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!keeps_net_raw)
        return (int)syscall(SYS_capset, &head, kept);
    kept[0].permitted = kept[0].effective = kept[0].inheritable = UINT32_C(1) << CAP_NET_RAW;
    return syscall(SYS_capset, &head, kept) == 0
               ? prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0)
               : -1;
}

int account_become(const struct account *account, bool keeps_net_raw)
{
    /* Else a change of the uid would clear what is to be kept. */
    if (keeps_net_raw && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return -1;
    /* Bare system calls: libc's would try to carry them to threads that fork has not copied. */
    if (account->is_switched &&
        (syscall(SYS_setgroups, account->n_groups, account->groups) != 0 ||
         syscall(SYS_setresgid, account->gid, account->gid, account->gid) != 0 ||
         syscall(SYS_setresuid, account->uid, account->uid, account->uid) != 0))
        return -1;
    if (drop_capabilities(keeps_net_raw) != 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int privileges_keep_needed(bool is_transparent)
{
    /*
     * Ports below 1024; signals to children of another user; becoming that user; files that
     * only root may read, folders only root may write in; the owner of a file that is saved.
     */
    static const cap_value_t needed[] = {
        CAP_NET_BIND_SERVICE, CAP_KILL,  CAP_SETUID, CAP_SETGID, CAP_DAC_OVERRIDE,
        CAP_DAC_READ_SEARCH,  CAP_CHOWN, CAP_NET_RAW /* the last: only to be passed on */};
    cap_t have = cap_get_proc();
    cap_t keep = cap_init();
    int result = have != NULL && keep != NULL ? 0 : -1;
    size_t n = sizeof needed / sizeof *needed - !is_transparent;
    for (size_t i = 0; i < n && result == 0; i++) {
        cap_flag_value_t is_set = CAP_CLEAR;
        result = cap_get_flag(have, needed[i], CAP_PERMITTED, &is_set);
        if (result != 0 || is_set == CAP_CLEAR)
            continue;
        result = cap_set_flag(keep, CAP_PERMITTED, 1, &needed[i], CAP_SET) != 0 ||
                         cap_set_flag(keep, CAP_EFFECTIVE, 1, &needed[i], CAP_SET) != 0
                     ? -1
                     : 0;
    }
    if (result == 0)
        result = cap_set_proc(keep);
    int saved = errno;
    cap_free(have);
    cap_free(keep);
    errno = saved;
    return result;
}

/*
 * Up to three stuck siblings' sockets come on top of the own ones, and during a reload the new ones
 * of each. More fall to one worker only where most workers die again and again. A bell for each worker, and the pools.
 */
static uint64_t reserve(const struct descriptor_needs *needs)
{
    return DESCRIPTORS_BESIDES + (uint64_t)needs->n_listeners * SETS_HELD * 2 +
           (uint64_t)needs->n_workers + needs->n_pooled;
}

/* Workers keep pipes for splicing and host sockets for the next connection as far as these allow. */
static uint64_t extras(uint64_t limit)
{
    return limit / 8 < DESCRIPTORS_EXTRA ? limit / 8 : DESCRIPTORS_EXTRA;
}

uint64_t descriptors_allow(uint64_t limit, const struct descriptor_needs *needs)
{
    uint64_t kept = reserve(needs) + extras(limit);
    uint64_t fit = limit > kept ? (limit - kept) / DESCRIPTORS_A_CONNECTION : 0;
    return fit < SEGMENT_LIVE ? fit : SEGMENT_LIVE;
}

/* The limit that can be had, raised when asked to. */
static uint64_t raise_limit(uint64_t wanted, bool may_raise)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (geteuid() == 0 && limit.rlim_max < wanted) {
        struct rlimit more = {.rlim_cur = wanted, .rlim_max = wanted};
        /* Fails above fs.nr_open; --test puts it back, since it may change nothing for good. */
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
            if (!may_raise)
                setrlimit(RLIMIT_NOFILE, &limit);
            return wanted;
        }
    }
    if (may_raise && limit.rlim_cur < limit.rlim_max) {
        struct rlimit full = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &full) != 0)
            return limit.rlim_cur;
    }
    return limit.rlim_max;
}

static uint64_t pool_of(const struct model_group *group)
{
    return (uint64_t)group->pool * group->n_hosts;
}

/* Each service keeps pools of its own to all its groups. */
static struct descriptor_needs needs_of(const struct model *model)
{
    struct descriptor_needs needs = {.n_listeners = model->n_listens,
                                     .n_workers = processors_for(model->global.workers)};
    for (size_t i = 0; i < model->n_services; i++) {
        const struct model_service *service = &model->services[i];
        for (size_t place = 0; place < service->n_places; place++)
            needs.n_pooled += pool_of(&model->groups[service->places[place]]);
    }
    return needs;
}

/* Why so many connections cannot be had, about the line that asks for them. */
static void refuse(const struct model *model, uint64_t wanted, uint64_t limit,
                   struct problems *problems)
{
    const struct directive *row = DIRECTIVE_OF(SECTION_GLOBAL, model_global, max_connections);
    const struct origin origin = store_global_origin(model->store, row);
    const int64_t asked = model->global.max_connections;
    const struct descriptor_needs needs = needs_of(model);
    const uint64_t least = reserve(&needs) + DESCRIPTORS_A_CONNECTION;
    if (asked > 0)
        problems_add(problems, &origin, "global", row->key,
                     "%" PRId64 " needs %" PRIu64
                     " file descriptors, the limit (ulimit -n) is %" PRIu64,
                     asked, wanted, limit);
    else
        problems_add(problems, &origin, "global", row->key,
                     "no connection fits in the limit of %" PRIu64
                     " file descriptors (ulimit -n); at least %" PRIu64 " are needed",
                     limit, least);
}

uint64_t descriptors_resolve(const struct model *model, bool may_raise,
                             struct problems *problems)
{
    const int64_t asked = model->global.max_connections;
    const struct descriptor_needs needs = needs_of(model);
    const uint64_t most = asked > 0 ? (uint64_t)asked : SEGMENT_LIVE;
    assert(most <= SEGMENT_LIVE); /* the key's upper bound */
    uint64_t wanted = reserve(&needs) + DESCRIPTORS_EXTRA + DESCRIPTORS_A_CONNECTION * most;
    uint64_t limit = raise_limit(wanted, may_raise);
    uint64_t allowed = descriptors_allow(limit, &needs);
    if (allowed > 0 && most <= allowed)
        return most;
    if (allowed > 0 && asked == 0)
        return allowed;
    refuse(model, wanted, limit, problems);
    return 0;
}
