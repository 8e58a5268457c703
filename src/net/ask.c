/* SPDX-License-Identifier: MIT */
/* Sends one HTTP request over a unix socket. */
#include "net/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_S = 120, /* a reload may have to wait for a stuck worker's replacement */
    MOST_BYTES = 256 << 20
};

static int open_socket(const char *path, struct text *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        text_printf(why, "%s: the path is longer than a socket's may be", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = ANSWER_S};
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    text_printf(why, "no daemon answers at %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int send_all(int fd, const struct text *request)
{
    for (size_t sent = 0; sent < request->length;) {
        ssize_t n = send(fd, request->at + sent, request->length - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Reads until the daemon closes, which it was asked to do. */
static int receive_all(int fd, struct text *answer)
{
    char bytes[16384];
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n == 0)
            return answer->failed ? -1 : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text_append(answer, bytes, (size_t)n);
        if (answer->length > MOST_BYTES) {
            errno = EMSGSIZE;
            return -1;
        }
    }
}

/* The value of a header line "NAME: VALUE" when it has this name, or NULL. */
static const char *header_value(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    return line + length + 1 + strspn(line + length + 1, " \t");
}

/* Reads a decimal number that a carriage return ends; false when it is none. */
static bool parse_length(const char *value, size_t *out)
{
    size_t number = 0;
    if (*value == '\r')
        return false;
    for (; *value != '\r'; value++) {
        if (*value < '0' || *value > '9' || number > MOST_BYTES)
            return false;
        number = number * 10 + (size_t)(*value - '0');
    }
    *out = number;
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.1 200 OK": the number, or -1. */
static int parse_status(const char *line)
{
    if (strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ')
        return -1;
    const char *digits = line + 9;
    if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]) ||
        (digits[3] != ' ' && digits[3] != '\r'))
        return -1;
    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

/* A chunk's size in hexadecimal digits, up to its line's end; at moves behind that. False when it is none. */
static bool take_size(const char **at, const char *end, size_t *size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *from = *at;
    *size = 0;
    for (; *at < end && **at != '\0' && strchr(digits, **at) != NULL && *at - from < 8; (*at)++)
        *size = *size * 16 + (size_t)(strchr(digits, **at) - digits) % 16;
    if (*at == from || end - *at < 2 || memcmp(*at, "\r\n", 2) != 0)
        return false;
    *at += 2;
    return true;
}

/* A body in chunks (RFC 9112, 7.1), without extensions and trailers, which we do not send. */
static bool join_chunks(const char *at, size_t length, struct text *body)
{
    const char *end = at + length;
    for (size_t size; take_size(&at, end, &size);) {
        if ((size_t)(end - at) < size + 2 || memcmp(at + size, "\r\n", 2) != 0)
            return false;
        text_append(body, at, size);
        at += size + 2;
        if (size == 0)
            return at == end && !body->failed;
    }
    return false;
}

int ask_parse(const char *bytes, size_t length, struct ask_answer *answer)
{
    *answer = (struct ask_answer){0};
    const char *end = length > 0 ? memmem(bytes, length, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return -1;
    /* A copy of the head alone is a string that no search can run beyond. */
    char *head = strndup(bytes, (size_t)(end - bytes) + 2);
    if (head == NULL)
        return -1;
    bool has_length = false, is_chunked = false,
         is_bad = strlen(head) != (size_t)(end - bytes) + 2;
    size_t body_length = 0;
    answer->status = parse_status(head);
    for (const char *line = strstr(head, "\r\n"); !is_bad && line != NULL && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        const char *value = header_value(line + 2, "Content-Length");
        if (value != NULL) {
            is_bad = has_length || !parse_length(value, &body_length);
            has_length = true;
        }
        value = header_value(line + 2, "Transfer-Encoding");
        if (value != NULL)
            is_chunked = strncasecmp(value, "chunked\r", 8) == 0;
    }
    free(head);
    size_t rest = length - (size_t)(end + 4 - bytes);
    if (is_bad || answer->status < 0)
        return -1;
    if (is_chunked && !has_length) {
        text_add(&answer->body, ""); /* an empty body is a string, too */
        if (join_chunks(end + 4, rest, &answer->body))
            return 0;
        text_fini(&answer->body);
        return -1;
    }
    if (!has_length || rest != body_length)
        return -1;
    text_append(&answer->body, end + 4, rest);
    return answer->body.failed ? -1 : 0;
}

int ask(const char *socket, const char *method, const char *path, const char *body,
        struct ask_answer *answer, struct text *why)
{
    int fd = open_socket(socket, why);
    if (fd < 0)
        return -1;
    struct text request = {0}, bytes = {0};
    text_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method,
                path);
    if (body != NULL)
        text_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                    strlen(body));
    text_printf(&request, "\r\n%s", body != NULL ? body : "");

    int result = -1;
    if (request.failed)
        text_printf(why, "out of memory");
    else if (send_all(fd, &request) != 0 || receive_all(fd, &bytes) != 0)
        text_printf(why, "no answer from the daemon at %s: %s", socket,
                    errno == EAGAIN ? "it takes too long" : strerror(errno));
    else if (ask_parse(bytes.at, bytes.length, answer) != 0)
        text_printf(why, "what answers at %s is no gaidaros", socket);
    else
        result = 0;
    text_fini(&request);
    text_fini(&bytes);
    close(fd);
    return result;
}
