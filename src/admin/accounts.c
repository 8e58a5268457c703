/* SPDX-License-Identifier: MIT */
/*
 * Who may open a door: names and passwords, and the token that a page's calls carry.
 *
 * A password's hash takes a tenth of a second of a processor on purpose, so it is made on a thread of its own, one
 * at a time. A name that nobody has costs the same: the password is hashed as some user's is, for nothing, and the same
 * user's for the same name, so that time does not tell who there is.
 */
#include "admin/accounts.h"

#include <crypt.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <ev.h>

#include "admin/basic.h"
#include "admin/tries.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/task.h"
#include "base/text.h"

enum { WAITING_MOST = 32, REMEMBERED_MOST = 64, NICENESS = 10 };
#define REMEMBERED_NS (UINT64_C(300) * CLOCK_NS_PER_S)

struct user {
    char *name, *hash; /* owned */
    bool is_full;
};

/* A password that was right. */
struct remembered {
    uint64_t digest[2]; /* of name, password and hash */
    uint64_t until_ns;  /* 0 = free */
};

struct accounts {
    account_done *done;
    struct user *users; /* owned */
    size_t n_users;
    struct remembered remembered[REMEMBERED_MOST];
    struct hash_key keys[2]; /* secret, of this process */
    struct tries tries;
    struct task_threads *thread;
    struct ev_loop *loop;
    struct ev_io on_thread;
    struct list_node checks; /* under way */
    size_t n_checks;
};

/* A password on its way to the thread and back. Owner: the thread's queue. */
struct check {
    struct list_node node;
    struct accounts *accounts;
    void *owner; /* NULL: gone */
    struct basic said;
    char *hash; /* owned: the user's, or of another user when there is none of this name */
    struct addr from;
    bool is_known, is_right;
};

/* ---- digests ---- */

static void add_part(struct text *text, const char *part)
{
    text_append(text, part, strlen(part) + 1);
}

static void digest(const struct accounts *accounts, uint64_t out[2], const char *name,
                   const char *password, const char *hash)
{
    struct text all = {0};
    add_part(&all, name);
    add_part(&all, password);
    add_part(&all, hash);
    for (int i = 0; i < 2; i++)
        out[i] = all.failed ? 0 : hash_bytes(&accounts->keys[i], all.at, all.length);
    if (all.at != NULL)
        explicit_bzero(all.at, all.length);
    text_fini(&all);
}

static bool is_remembered(const struct accounts *accounts, const struct user *user,
                          const struct basic *said)
{
    uint64_t wanted[2], now_ns = clock_now_ns();
    digest(accounts, wanted, said->name, said->password, user->hash);
    for (size_t i = 0; i < REMEMBERED_MOST; i++) {
        const struct remembered *one = &accounts->remembered[i];
        if (one->until_ns > now_ns &&
            ((one->digest[0] ^ wanted[0]) | (one->digest[1] ^ wanted[1])) == 0)
            return true;
    }
    return false;
}

/* In place of the one that runs out first. */
static void remember(struct accounts *accounts, const struct check *check)
{
    struct remembered *oldest = &accounts->remembered[0];
    for (size_t i = 1; i < REMEMBERED_MOST; i++)
        if (accounts->remembered[i].until_ns < oldest->until_ns)
            oldest = &accounts->remembered[i];
    digest(accounts, oldest->digest, check->said.name, check->said.password, check->hash);
    oldest->until_ns = clock_now_ns() + REMEMBERED_NS;
}

/* ---- users ---- */

static const struct user *find_user(const struct accounts *accounts, const char *name)
{
    for (size_t i = 0; i < accounts->n_users; i++)
        if (strcmp(accounts->users[i].name, name) == 0)
            return &accounts->users[i];
    return NULL;
}

static void free_users(struct accounts *accounts)
{
    for (size_t i = 0; i < accounts->n_users; i++) {
        free(accounts->users[i].name);
        free(accounts->users[i].hash);
    }
    free(accounts->users);
    accounts->users = NULL;
    accounts->n_users = 0;
}

/* One that does not fit into memory is left out: it cannot come in, and nobody else can in its place. */
static void add_users(struct accounts *accounts, const struct model_user *users, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct user user = {.name = strdup(users[i].name),
                            .hash = strdup(users[i].hash),
                            .is_full = users[i].is_full};
        if (user.name != NULL && user.hash != NULL) {
            accounts->users[accounts->n_users++] = user;
            continue;
        }
        log_error("out of memory: user %s cannot come in", users[i].name);
        free(user.name);
        free(user.hash);
    }
}

void accounts_set(struct accounts *accounts, const struct model_admin *admin)
{
    size_t n = admin->n_users + admin->users_file.n;
    free_users(accounts);
    accounts->users = calloc(n + 1, sizeof *accounts->users);
    if (accounts->users == NULL) {
        log_error("out of memory: no user of the admin page is known");
        return;
    }
    add_users(accounts, admin->users, admin->n_users);
    add_users(accounts, admin->users_file.users, admin->users_file.n);
}

bool accounts_are_asked(const struct accounts *accounts)
{
    return accounts->n_users > 0;
}

static void fill(const struct accounts *accounts, const struct user *user, struct account *out)
{
    *out = (struct account){.access = user->is_full ? ACCESS_FULL : ACCESS_READONLY};
    snprintf(out->name, sizeof out->name, "%s", user->name);
    if (!user->is_full)
        return;
    uint64_t words[2];
    digest(accounts, words, user->name, "token", user->hash);
    snprintf(out->token, sizeof out->token, "%016" PRIx64 "%016" PRIx64, words[0], words[1]);
}

bool account_has_token(const struct account *account, const char *token)
{
    size_t length = ACCOUNT_TOKEN_BYTES - 1;
    unsigned char differs = 0;
    if (account->token[0] == '\0' || token == NULL || strlen(token) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        differs |= (unsigned char)(account->token[i] ^ token[i]);
    return differs == 0;
}

/* ---- checking ---- */

/* On the thread, which then yields to all that is in a hurry, such as the loop. */
static void hash(void *argument)
{
    struct check *check = argument;
    (void)setpriority(PRIO_PROCESS, 0, NICENESS); /* of a thread alone, on Linux */
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *made = data != NULL ? crypt_r(check->said.password, check->hash, data) : NULL;
    if (made != NULL && made[0] != '*' && strlen(made) == strlen(check->hash)) {
        unsigned char differs = 0;
        for (size_t i = 0; made[i] != '\0'; i++)
            differs |= (unsigned char)(made[i] ^ check->hash[i]);
        check->is_right = differs == 0 && check->is_known;
    }
    if (data != NULL)
        explicit_bzero(data, sizeof *data);
    free(data);
}

static void free_check(struct check *check)
{
    list_remove(&check->node);
    basic_wipe(&check->said);
    free(check->hash);
    free(check);
}

/* On the loop. The users may have changed meanwhile: who was right must still be there as it was. */
static void on_hashed(void *argument)
{
    struct check *check = argument;
    struct accounts *accounts = check->accounts;
    const struct user *user = find_user(accounts, check->said.name);
    struct account account = {0};
    enum account_verdict verdict = ACCOUNT_UNKNOWN;
    char from[ADDR_TEXT_BYTES];
    accounts->n_checks--;
    if (check->is_right && user != NULL && strcmp(user->hash, check->hash) == 0) {
        tries_end_well(&accounts->tries, &check->from);
        remember(accounts, check);
        fill(accounts, user, &account);
        verdict = ACCOUNT_FINE;
    } else {
        struct addr at = check->from;
        /* Lines that are alike are folded: no port. */
        if (at.any.sa_family == AF_INET6)
            at.in6.sin6_port = 0;
        else if (at.any.sa_family == AF_INET)
            at.in.sin_port = 0;
        log_warning("a wrong name or password from %s", addr_print(from, &at));
    }
    if (check->owner != NULL)
        accounts->done(check->owner, verdict, &account);
    free_check(check);
}

static const struct user *stand_in(const struct accounts *accounts, const char *name)
{
    uint64_t number = hash_bytes(&accounts->keys[0], name, strlen(name));
    return &accounts->users[number % accounts->n_users];
}

static enum account_verdict submit(struct accounts *accounts, const struct basic *said,
                                   const struct user *user, const struct addr *from,
                                   void *owner)
{
    struct check *check = calloc(1, sizeof *check);
    if (check == NULL)
        return ACCOUNT_BUSY;
    *check = (struct check){
        .accounts = accounts,
        .owner = owner,
        .said = *said,
        .hash = strdup((user != NULL ? user : stand_in(accounts, said->name))->hash),
        .from = *from,
        .is_known = user != NULL};
    list_append(&accounts->checks, &check->node);
    if (check->hash == NULL || task_submit(accounts->thread, hash, on_hashed, check) != 0) {
        free_check(check);
        return ACCOUNT_BUSY;
    }
    accounts->n_checks++;
    return ACCOUNT_WAITS;
}

static enum account_verdict check_said(struct accounts *accounts, const struct basic *said,
                                       const struct addr *from, void *owner,
                                       struct account *out)
{
    const struct user *user = find_user(accounts, said->name);
    if (user != NULL && is_remembered(accounts, user, said)) {
        fill(accounts, user, out);
        return ACCOUNT_FINE;
    }
    if (accounts->n_checks >= WAITING_MOST)
        return ACCOUNT_BUSY;
    out->retry_s = tries_begin(&accounts->tries, from, clock_now_ns());
    if (out->retry_s > 0)
        return ACCOUNT_TOO_MANY;
    enum account_verdict verdict = submit(accounts, said, user, from, owner);
    if (verdict == ACCOUNT_BUSY)
        tries_end_well(&accounts->tries, from);
    return verdict;
}

enum account_verdict accounts_check(struct accounts *accounts, const char *header,
                                    const struct addr *from, void *owner, struct account *out)
{
    struct basic said;
    *out = (struct account){0};
    if (!basic_parse(&said, header))
        return ACCOUNT_UNKNOWN;
    enum account_verdict verdict = check_said(accounts, &said, from, owner, out);
    basic_wipe(&said);
    return verdict;
}

void accounts_forget(struct accounts *accounts, const void *owner)
{
    LIST_FOREACH(node, &accounts->checks) {
        struct check *check = container_of(node, struct check, node);
        if (check->owner == owner)
            check->owner = NULL;
    }
}

/* ---- the whole ---- */

static void on_thread_ready(struct ev_loop *loop, struct ev_io *watch, int events)
{
    (void)loop;
    (void)events;
    task_collect(container_of(watch, struct accounts, on_thread)->thread);
}

struct accounts *accounts_new(struct ev_loop *loop, account_done *done)
{
    struct accounts *accounts = calloc(1, sizeof *accounts);
    if (accounts == NULL)
        return NULL;
    accounts->loop = loop;
    accounts->done = done;
    list_init(&accounts->checks);
    accounts->thread = task_threads_new(1);
    if (accounts->thread == NULL ||
        getrandom(accounts->keys, sizeof accounts->keys, 0) != (ssize_t)sizeof accounts->keys) {
        accounts_free(accounts);
        return NULL;
    }
    ev_io_init(&accounts->on_thread, on_thread_ready, task_threads_fd(accounts->thread),
               EV_READ);
    ev_io_start(loop, &accounts->on_thread);
    return accounts;
}

void accounts_free(struct accounts *accounts)
{
    if (accounts == NULL)
        return;
    LIST_FOREACH(node, &accounts->checks)
        container_of(node, struct check, node)->owner = NULL;
    ev_io_stop(accounts->loop, &accounts->on_thread);
    if (accounts->thread != NULL)
        task_threads_free(accounts->thread);
    free_users(accounts);
    explicit_bzero(accounts->keys, sizeof accounts->keys);
    free(accounts);
}
