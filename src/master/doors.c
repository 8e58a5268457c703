/* SPDX-License-Identifier: MIT */
/* The sockets of [admin] listen: opened by master, served by the director. */
#include "master/doors.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "master/vacancy.h"
#include "net/sock.h"

static int find(const struct doors *doors, const struct model_listen *listen)
{
    for (size_t i = 0; i < doors->n_now; i++)
        if (addr_is_equal(&doors->now[i].address, &listen->address) &&
            strcmp(doors->now[i].interface, listen->interface) == 0)
            return (int)i;
    return -1;
}

static int open_door(struct door *door, const struct model_listen *listen, int64_t patience_ms)
{
    *door = (struct door){.address = listen->address, .is_fresh = true, .fd = -1};
    strncpy(door->interface, listen->interface, sizeof door->interface - 1);
    if (!vacancy_wait(&listen->address, listen->interface, patience_ms))
        return -1;
    door->fd = sock_open_listener(&listen->address, listen->interface);
    return door->fd >= 0 ? 0 : -1;
}

int doors_prepare(struct doors *doors, const struct model *model, int64_t patience_ms,
                  struct problems *problems)
{
    assert(model->admin.n_listens <= DOORS_MOST);
    doors->n_next = 0;
    for (size_t i = 0; i < model->admin.n_listens; i++) {
        const struct model_listen *listen = &model->admin.listens[i];
        struct door *door = &doors->next[doors->n_next];
        char address[ADDR_TEXT_BYTES];
        int kept = find(doors, listen);
        if (kept >= 0) {
            *door = doors->now[kept];
        } else if (open_door(door, listen, patience_ms) != 0) {
            problems_add(problems, &listen->origin, "admin", "listen",
                         "cannot listen on %s: %s", addr_print(address, &listen->address),
                         strerror(errno));
            doors_abort(doors);
            return -1;
        }
        door->tls = listen->tls;
        doors->n_next++;
    }
    return 0;
}

bool doors_commit(struct doors *doors)
{
    bool is_changed = doors->n_next != doors->n_now;
    for (size_t i = 0; i < doors->n_now; i++) {
        bool is_kept = false;
        for (size_t k = 0; k < doors->n_next; k++)
            is_kept |= doors->next[k].fd == doors->now[i].fd;
        is_changed |= !is_kept || doors->next[i].fd != doors->now[i].fd ||
                      doors->next[i].tls != doors->now[i].tls;
        if (is_kept)
            continue;
        /* The director's copy would keep the address listening. */
        shutdown(doors->now[i].fd, SHUT_RD);
        close(doors->now[i].fd);
    }
    for (size_t i = 0; i < doors->n_next; i++) {
        doors->now[i] = doors->next[i];
        if (doors->now[i].is_fresh)
            (void)!sock_listen(doors->now[i].fd, SOMAXCONN);
        doors->now[i].is_fresh = false;
    }
    doors->n_now = doors->n_next;
    doors->n_next = 0;
    return is_changed;
}

void doors_abort(struct doors *doors)
{
    for (size_t i = 0; i < doors->n_next; i++)
        if (doors->next[i].is_fresh)
            close(doors->next[i].fd);
    doors->n_next = 0;
}

void doors_fini(struct doors *doors)
{
    doors_abort(doors);
    for (size_t i = 0; i < doors->n_now; i++)
        close(doors->now[i].fd);
    doors->n_now = 0;
}
