/* SPDX-License-Identifier: MIT */
/* The PROXY protocol, versions 1 and 2: bytes to a header and back. */
#include "net/proxyproto.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    FIXED_BYTES = 16, /* of version 2, before the addresses */
    VERSION_2 = 0x20,
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31,
    TCP4_BYTES = 12,
    TCP6_BYTES = 36,
    UNIX_BYTES = 216,
    AUTHORITY_MOST = 255,
    ALPN_MOST = 255,
    UNIQUE_ID_MOST = 128,
    CRC_BYTES = 4,
    SSL_FIXED_BYTES = 5 /* flags, verify */
};

static const unsigned char signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                            0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum proxyproto_verdict refuse(struct proxy_header *out, const char *reason)
{
    out->reason = reason;
    return PROXYPROTO_INVALID;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- version 1 ---- */

/* Where the line's CR is, or length when it has not come; a lone CR or LF is told as is_torn. */
static size_t find_end(const unsigned char *bytes, size_t length, bool *is_torn)
{
    size_t end = 0;
    while (end < length && bytes[end] != '\r' && bytes[end] != '\n')
        end++;
    *is_torn =
        end < length && (bytes[end] == '\n' || (end + 1 < length && bytes[end + 1] != '\n'));
    return end;
}

/* The text up to the next blank or the end; its NUL-terminated copy. False when it does not fit. */
static bool take_word(const unsigned char **at, const unsigned char *end, char *out,
                      size_t room)
{
    size_t length = 0;
    while (*at + length < end && (*at)[length] != ' ')
        length++;
    if (length == 0 || length >= room)
        return false;
    memcpy(out, *at, length);
    out[length] = '\0';
    *at += length;
    return true;
}

static bool take_blank(const unsigned char **at, const unsigned char *end)
{
    if (*at == end || **at != ' ')
        return false;
    (*at)++;
    return true;
}

static bool parse_address(const char *word, int family, struct addr *out)
{
    *out = (struct addr){.any.sa_family = (sa_family_t)family};
    if (family == AF_INET) {
        out->length = sizeof out->in;
        return inet_pton(AF_INET, word, &out->in.sin_addr) == 1;
    }
    out->length = sizeof out->in6;
    return inet_pton(AF_INET6, word, &out->in6.sin6_addr) == 1;
}

/* Decimal, without leading zeros. */
static bool parse_port(const char *word, struct addr *out)
{
    uint32_t port = 0;
    if (word[0] == '0' && word[1] != '\0')
        return false;
    for (const char *c = word; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        port = port * 10 + (uint32_t)(*c - '0');
    }
    if (port > UINT16_MAX)
        return false;
    if (out->any.sa_family == AF_INET)
        out->in.sin_port = htons((uint16_t)port);
    else
        out->in6.sin6_port = htons((uint16_t)port);
    return true;
}

/* "SOURCE TARGET PORT PORT" */
static const char *parse_four(const unsigned char *at, const unsigned char *end, int family,
                              struct proxy_header *out)
{
    char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN], from[6], to[6];
    if (!take_word(&at, end, source, sizeof source) || !take_blank(&at, end) ||
        !take_word(&at, end, target, sizeof target) || !take_blank(&at, end) ||
        !take_word(&at, end, from, sizeof from) || !take_blank(&at, end) ||
        !take_word(&at, end, to, sizeof to) || at != end)
        return "version 1: not two addresses and two ports with one blank between";
    if (!parse_address(source, family, &out->source) ||
        !parse_address(target, family, &out->target))
        return "version 1: an address is none of its family";
    if (!parse_port(from, &out->source) || !parse_port(to, &out->target))
        return "version 1: a port is no number from 0 to 65535";
    addr_unmap(&out->source);
    addr_unmap(&out->target);
    return NULL;
}

static bool has_control(const unsigned char *at, const unsigned char *end)
{
    for (; at < end; at++)
        if (*at < ' ' || *at == 0x7f)
            return true;
    return false;
}

static enum proxyproto_verdict parse_v1(const unsigned char *bytes, size_t length,
                                        struct proxy_header *out)
{
    static const struct {
        const char *word;
        size_t length;
        int family;
    } kinds[] = {{"PROXY TCP4 ", 11, AF_INET},
                 {"PROXY TCP6 ", 11, AF_INET6},
                 {"PROXY UNKNOWN", 13, AF_UNSPEC}};
    size_t kind = 0;
    while (kind < 3 && memcmp(bytes, kinds[kind].word, least(length, kinds[kind].length)) != 0)
        kind++;
    if (kind == 3)
        return refuse(out, "neither a header of version 1 nor of version 2");
    bool is_torn;
    size_t end = find_end(bytes, least(length, PROXYPROTO_V1_BYTES), &is_torn);
    if (is_torn)
        return refuse(out, "version 1: a CR or LF alone");
    if (has_control(bytes, bytes + end))
        return refuse(out, "version 1: a control byte");
    if (end + 2 > length)
        return end + 2 > PROXYPROTO_V1_BYTES ? refuse(out, "version 1: no end within 107 bytes")
                                             : PROXYPROTO_MORE;
    const unsigned char *rest = bytes + kinds[kind].length;
    if (kinds[kind].family == AF_UNSPEC && rest < bytes + end && *rest != ' ')
        return refuse(out, "version 1: a family that there is not");
    out->command = PROXY_PROXY;
    out->length = end + 2;
    const char *fault = kinds[kind].family != AF_UNSPEC
                            ? parse_four(rest, bytes + end, kinds[kind].family, out)
                            : NULL;
    return fault != NULL ? refuse(out, fault) : PROXYPROTO_COMPLETE;
}

/* ---- version 2 ---- */

/* CRC-32C (Castagnoli), reflected, as RFC 4960, appendix B has it. */
static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1)));
    }
    return crc;
}

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Over the whole header, its own bytes counted as zeros. */
static uint32_t sum_of(const unsigned char *header, size_t length, const unsigned char *own)
{
    static const unsigned char zeros[CRC_BYTES];
    uint32_t crc = crc32c(UINT32_MAX, header, (size_t)(own - header));
    crc = crc32c(crc, zeros, CRC_BYTES);
    return ~crc32c(crc, own + CRC_BYTES, length - (size_t)(own - header) - CRC_BYTES);
}

bool proxyproto_next(const unsigned char **at, size_t *left, struct proxy_value *out)
{
    if (*left < 3)
        return false;
    size_t length = (size_t)(*at)[1] << 8 | (*at)[2];
    if (length > *left - 3)
        return false;
    *out = (struct proxy_value){(*at)[0], *at + 3, length};
    *at += 3 + length;
    *left -= 3 + length;
    return true;
}

/* Whether a run of TLVs ends where it says. */
static bool are_whole(const unsigned char *at, size_t left)
{
    struct proxy_value value;
    while (proxyproto_next(&at, &left, &value))
        ;
    return left == 0;
}

/* UTF-8 without NULs and other control bytes, in its shortest form. */
static bool is_clean_utf8(const unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char c = at[i];
        size_t more = c < 0x80   ? 0
                      : c < 0xc2 ? 4
                      : c < 0xe0 ? 1
                      : c < 0xf0 ? 2
                      : c < 0xf5 ? 3
                                 : 4;
        if (more == 4 || i + more >= length || c < ' ' || c == 0x7f)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((at[i + k] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && at[i + 1] < 0xa0) || (c == 0xed && at[i + 1] > 0x9f) ||
            (c == 0xf0 && at[i + 1] < 0x90) || (c == 0xf4 && at[i + 1] > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

/* A name of a network namespace: as a file's, without a path. */
static bool is_netns(const unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (at[i] <= ' ' || at[i] > '~' || at[i] == '/')
            return false;
    return length > 0;
}

/* NULL, or what is wrong with it. */
static const char *look_at(const struct proxy_value *value)
{
    switch (value->type) {
    case PROXY_TLV_ALPN:
        return value->length > 0 && value->length <= ALPN_MOST ? NULL
                                                               : "version 2: ALPN is none";
    case PROXY_TLV_AUTHORITY:
        return value->length > 0 && value->length <= AUTHORITY_MOST &&
                       is_clean_utf8(value->bytes, value->length)
                   ? NULL
                   : "version 2: AUTHORITY is no host name";
    case PROXY_TLV_UNIQUE_ID:
        return value->length <= UNIQUE_ID_MOST ? NULL : "version 2: UNIQUE_ID is too long";
    case PROXY_TLV_NETNS:
        return is_netns(value->bytes, value->length) ? NULL : "version 2: NETNS is no name";
    case PROXY_TLV_SSL:
        return value->length >= SSL_FIXED_BYTES && are_whole(value->bytes + SSL_FIXED_BYTES,
                                                             value->length - SSL_FIXED_BYTES)
                   ? NULL
                   : "version 2: SSL is torn";
    case PROXY_TLV_CRC32C:
        return value->length == CRC_BYTES ? NULL : "version 2: CRC32C has not 4 bytes";
    default:
        return NULL;
    }
}

static const char *check_tlvs(const unsigned char *header, const struct proxy_header *out)
{
    const unsigned char *at = out->tlvs, *sum = NULL;
    size_t left = out->tlvs_length;
    struct proxy_value value;
    while (proxyproto_next(&at, &left, &value)) {
        const char *fault = look_at(&value);
        if (fault != NULL)
            return fault;
        if (value.type != PROXY_TLV_CRC32C)
            continue;
        if (sum != NULL)
            return "version 2: two CRC32Cs";
        sum = value.bytes;
    }
    if (left > 0)
        return "version 2: a TLV is longer than what is there";
    if (sum != NULL && read_u32(sum) != sum_of(header, out->length, sum))
        return "version 2: CRC32C is wrong";
    return NULL;
}

static void read_tcp4(const unsigned char *at, struct addr *address, size_t ip, size_t port)
{
    *address = (struct addr){.in.sin_family = AF_INET, .length = sizeof address->in};
    memcpy(&address->in.sin_addr, at + ip, sizeof address->in.sin_addr);
    memcpy(&address->in.sin_port, at + port, sizeof address->in.sin_port);
}

static void read_tcp6(const unsigned char *at, struct addr *address, size_t ip, size_t port)
{
    *address = (struct addr){.in6.sin6_family = AF_INET6, .length = sizeof address->in6};
    memcpy(&address->in6.sin6_addr, at + ip, sizeof address->in6.sin6_addr);
    memcpy(&address->in6.sin6_port, at + port, sizeof address->in6.sin6_port);
    addr_unmap(address);
}

/* Bytes of the addresses of a family; SIZE_MAX for one that there is not, or not by TCP. */
static size_t bytes_of(unsigned char family)
{
    switch (family) {
    case FAMILY_UNSPEC:
        return 0;
    case FAMILY_TCP4:
        return TCP4_BYTES;
    case FAMILY_TCP6:
        return TCP6_BYTES;
    case FAMILY_UNIX:
        return UNIX_BYTES;
    default:
        return SIZE_MAX;
    }
}

static enum proxyproto_verdict read_v2(const unsigned char *bytes, struct proxy_header *out)
{
    const unsigned char *at = bytes + FIXED_BYTES;
    size_t size = bytes_of(bytes[13]);
    if (out->command == PROXY_LOCAL)
        return PROXYPROTO_COMPLETE; /* whatever else it says counts for nothing */
    if (bytes[13] == FAMILY_TCP4) {
        read_tcp4(at, &out->source, 0, 8);
        read_tcp4(at, &out->target, 4, 10);
    } else if (bytes[13] == FAMILY_TCP6) {
        read_tcp6(at, &out->source, 0, 32);
        read_tcp6(at, &out->target, 16, 34);
    }
    out->tlvs = at + size;
    out->tlvs_length = out->length - FIXED_BYTES - size;
    const char *fault = check_tlvs(bytes, out);
    return fault != NULL ? refuse(out, fault) : PROXYPROTO_COMPLETE;
}

static enum proxyproto_verdict parse_v2(const unsigned char *bytes, size_t length,
                                        struct proxy_header *out)
{
    if (memcmp(bytes, signature, least(length, sizeof signature)) != 0)
        return refuse(out, "neither a header of version 1 nor of version 2");
    if (length > 12 && bytes[12] != (VERSION_2 | PROXY_LOCAL) &&
        bytes[12] != (VERSION_2 | PROXY_PROXY))
        return refuse(out, "version 2: a version or a command that there is not");
    if (length < FIXED_BYTES)
        return PROXYPROTO_MORE;
    out->command = (enum proxy_command)(bytes[12] & 1);
    size_t rest = (size_t)bytes[14] << 8 | bytes[15];
    out->length = FIXED_BYTES + rest;
    if (out->command == PROXY_PROXY && bytes_of(bytes[13]) == SIZE_MAX)
        return refuse(out, "version 2: a family or transport that there is not, or not here");
    if (out->command == PROXY_PROXY && rest < bytes_of(bytes[13]))
        return refuse(out, "version 2: too short for its addresses");
    if (out->length > PROXYPROTO_MOST_BYTES)
        return refuse(out, "version 2: longer than 4096 bytes");
    return length < out->length ? PROXYPROTO_MORE : read_v2(bytes, out);
}

enum proxyproto_verdict proxyproto_parse(const unsigned char *bytes, size_t length,
                                         struct proxy_header *out)
{
    *out = (struct proxy_header){0};
    if (length == 0)
        return PROXYPROTO_MORE;
    return bytes[0] == signature[0] ? parse_v2(bytes, length, out)
                                    : parse_v1(bytes, length, out);
}

/* ---- writing ---- */

static bool is_ip(const struct addr *address)
{
    return address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
}

/* As IPv6; IPv4 is mapped. */
static void widen(const struct addr *address, struct in6_addr *ip, in_port_t *port)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->any.sa_family == AF_INET6) {
        *ip = address->in6.sin6_addr;
        *port = address->in6.sin6_port;
        return;
    }
    memcpy(ip->s6_addr, mapped, sizeof mapped);
    memcpy(ip->s6_addr + sizeof mapped, &address->in.sin_addr, sizeof address->in.sin_addr);
    *port = address->in.sin_port;
}

static bool are_both_v4(const struct addr *source, const struct addr *target)
{
    return source->any.sa_family == AF_INET && target->any.sa_family == AF_INET;
}

size_t proxyproto_print_v1(unsigned char out[PROXYPROTO_V1_BYTES], const struct addr *source,
                           const struct addr *target)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], line[PROXYPROTO_V1_BYTES + 1];
    bool is_v4 = are_both_v4(source, target);
    int length;
    if (!is_ip(source) || !is_ip(target)) {
        length = snprintf(line, sizeof line, "PROXY UNKNOWN\r\n");
    } else {
        struct in6_addr ips[2];
        in_port_t unused;
        widen(source, &ips[0], &unused);
        widen(target, &ips[1], &unused);
        int family = is_v4 ? AF_INET : AF_INET6;
        inet_ntop(family, is_v4 ? (const void *)&source->in.sin_addr : &ips[0], from,
                  sizeof from);
        inet_ntop(family, is_v4 ? (const void *)&target->in.sin_addr : &ips[1], to, sizeof to);
        length = snprintf(line, sizeof line, "PROXY %s %s %s %u %u\r\n",
                          is_v4 ? "TCP4" : "TCP6", from, to, (unsigned int)addr_port(source),
                          (unsigned int)addr_port(target));
    }
    memcpy(out, line, (size_t)length);
    return (size_t)length;
}

static unsigned char *take_room(struct proxy_builder *builder, size_t n)
{
    if (builder->is_full || builder->room - builder->length < n) {
        builder->is_full = true;
        return NULL;
    }
    unsigned char *at = builder->bytes + builder->length;
    builder->length += n;
    return at;
}

static void put(struct proxy_builder *builder, const void *bytes, size_t length)
{
    unsigned char *at = take_room(builder, length);
    if (at != NULL && length > 0)
        memcpy(at, bytes, length);
}

void proxyproto_begin(struct proxy_builder *builder, enum proxy_command command,
                      const struct addr *source, const struct addr *target)
{
    bool is_known = command == PROXY_PROXY && is_ip(source) && is_ip(target);
    bool is_v4 = is_known && are_both_v4(source, target);
    const unsigned char head[4] = {(unsigned char)(VERSION_2 | command), is_v4 ? FAMILY_TCP4
                                                                         : is_known
                                                                             ? FAMILY_TCP6
                                                                             : FAMILY_UNSPEC};
    struct in6_addr ips[2];
    in_port_t ports[2];
    builder->length = 0;
    builder->is_full = false;
    put(builder, signature, sizeof signature);
    put(builder, head, sizeof head); /* the length comes at the end */
    if (!is_known)
        return;
    widen(source, &ips[0], &ports[0]);
    widen(target, &ips[1], &ports[1]);
    size_t skip = is_v4 ? 12 : 0;
    for (int i = 0; i < 2; i++)
        put(builder, ips[i].s6_addr + skip, sizeof ips[i] - skip);
    put(builder, ports, sizeof ports);
}

void proxyproto_add(struct proxy_builder *builder, enum proxy_tlv type, const void *bytes,
                    size_t length)
{
    const unsigned char head[3] = {(unsigned char)type, (unsigned char)(length >> 8),
                                   (unsigned char)length};
    builder->is_full |= length > UINT16_MAX;
    put(builder, head, sizeof head);
    put(builder, bytes, length);
}

void proxyproto_add_received(struct proxy_builder *builder, const unsigned char *tlvs,
                             size_t length)
{
    struct proxy_value value;
    while (proxyproto_next(&tlvs, &length, &value)) {
        if (value.type != PROXY_TLV_CRC32C && value.type != PROXY_TLV_NOOP)
            proxyproto_add(builder, (enum proxy_tlv)value.type, value.bytes, value.length);
    }
}

size_t proxyproto_end(struct proxy_builder *builder)
{
    static const unsigned char zeros[CRC_BYTES];
    proxyproto_add(builder, PROXY_TLV_CRC32C, zeros, CRC_BYTES);
    if (builder->is_full || builder->length - FIXED_BYTES > UINT16_MAX)
        return 0;
    size_t rest = builder->length - FIXED_BYTES;
    builder->bytes[14] = (unsigned char)(rest >> 8);
    builder->bytes[15] = (unsigned char)rest;
    unsigned char *own = builder->bytes + builder->length - CRC_BYTES;
    uint32_t sum = htonl(sum_of(builder->bytes, builder->length, own));
    memcpy(own, &sum, CRC_BYTES);
    return builder->length;
}
