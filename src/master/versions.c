/* SPDX-License-Identifier: MIT */
/* What --version prints: this program and the libraries it runs with. */
#include "master/versions.h"

#include <ares.h>
#include <ev.h>
#include <jansson.h>
#include <microhttpd.h>

/* These two tell their versions to nobody but pkg-config, which the Makefile asks. */
#ifndef INIH_VERSION
#define INIH_VERSION "unknown"
#endif
#ifndef LIBCAP_VERSION
#define LIBCAP_VERSION "unknown"
#endif

static const char *poller_word(unsigned int backend)
{
    static const struct {
        unsigned int backend;
        const char *word;
    } words[] = {{EVBACKEND_EPOLL, "epoll"},
                 {EVBACKEND_LINUXAIO, "linuxaio"},
                 {EVBACKEND_IOURING, "iouring"},
                 {EVBACKEND_POLL, "poll"},
                 {EVBACKEND_SELECT, "select"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].backend == backend)
            return words[i].word;
    return "unknown";
}

void versions_print(struct text *out)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    text_add(out, "gaidaros " GAIDAROS_VERSION "\n");
    text_printf(out, "libev %d.%d (poller %s)\n", ev_version_major(), ev_version_minor(),
                loop != NULL ? poller_word(ev_backend(loop)) : "unknown");
    text_add(out, "inih " INIH_VERSION "\n");
    text_printf(out, "libmicrohttpd %s\n", MHD_get_version());
    text_printf(out, "c-ares %s\n", ares_version(NULL));
    text_printf(out, "jansson %s\n", jansson_version_str());
    text_add(out, "libcap " LIBCAP_VERSION "\n");
    if (loop != NULL)
        ev_loop_destroy(loop);
}
