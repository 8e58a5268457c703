/* SPDX-License-Identifier: MIT */
/* Whether HTTPS can be had with the certificate that [admin] names. */
#include "admin/secure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <microhttpd.h>

#include "conf/directives.h"
#include "tls/pair.h"

enum { SAID_BYTES = 256 };

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *length, void **slot)
{
    (void)context;
    (void)connection;
    (void)path;
    (void)method;
    (void)version;
    (void)body;
    (void)length;
    (void)slot;
    return MHD_NO;
}

/* libmicrohttpd tells why only here. */
__attribute__((format(printf, 2, 0))) static void on_fault(void *said, const char *format,
                                                           va_list values)
{
    vsnprintf(said, SAID_BYTES, format, values);
}

/* As a door would be begun, but for listening. */
static bool can_begin(const struct model_certificate *certificate, char said[SAID_BYTES])
{
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_fault, said,
        MHD_OPTION_HTTPS_MEM_CERT, certificate->chain.bytes, MHD_OPTION_HTTPS_MEM_KEY,
        certificate->key.bytes, MHD_OPTION_HTTPS_PRIORITIES, SECURE_PRIORITIES, MHD_OPTION_END);
    if (daemon != NULL)
        MHD_stop_daemon(daemon);
    return daemon != NULL;
}

bool secure_verify(const struct model *model, struct problems *problems)
{
    const struct model_certificate *certificate = &model->admin.certificate;
    const struct directive *row = DIRECTIVE_OF(SECTION_ADMIN, model_admin, certificate);
    const struct conf_line *line =
        store_find_line(store_find_section(model->store, SECTION_ADMIN, ""), row);
    const struct origin *origin = line != NULL ? &line->origin : NULL;
    const struct tls_pair pair = {certificate->chain.bytes, certificate->key.bytes,
                                  certificate->chain.length, certificate->key.length};
    const char *path = certificate->chain.path;
    char reason[TLS_REASON_BYTES], said[SAID_BYTES] = "no reason is given\n";
    bool is_expired;
    if (path[0] == '\0')
        return true;
    if (!tls_pair_check(&pair, &is_expired, reason)) {
        problems_add(problems, origin, "admin", row->key, "%s: %s", path, reason);
        return false;
    }
    if (is_expired)
        problems_warn(problems, origin, "admin", row->key, "%s has expired", path);
    if (can_begin(certificate, said))
        return true;
    said[strcspn(said, "\n")] = '\0';
    problems_add(problems, origin, "admin", row->key, "%s cannot be used for HTTPS: %s", path,
                 said);
    return false;
}
