/* SPDX-License-Identifier: MIT */
/* Addresses and networks: parse, print, compare, match. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define UNIX_PREFIX "unix:"
#define SRV_PREFIX "srv:"
#define NAME_MOST 253 /* bytes of a name without its final dot (RFC 1035 §2.3.4) */
#define LABEL_MOST 63
#define V4_BITS 32
#define V6_BITS 128
#define MAPPED_BITS 96 /* ::ffff:0:0/96 holds the IPv4 addresses */

static const char why_port[] = "port must be 1 to 65535";
static const char why_v4[] = "an IPv4 address has four decimal parts, each 0 to 255";
static const char why_v6[] = "not an IPv6 address";

static int refuse(const char **why, const char *sentence)
{
    *why = sentence;
    return -1;
}

static struct addr make_v4(struct in_addr ip, uint16_t port)
{
    return (struct addr){
        .in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip},
        .length = sizeof(struct sockaddr_in),
    };
}

static struct addr make_v6(const struct in6_addr *ip, uint16_t port)
{
    return (struct addr){
        .in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *ip},
        .length = sizeof(struct sockaddr_in6),
    };
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int parse_port(const char *text, uint16_t *port, const char **why)
{
    int64_t number;
    if (units_parse_number(text, &number) < 0 || number < 1 || number > UINT16_MAX)
        return refuse(why, why_port);
    *port = (uint16_t)number;
    return 0;
}

/*
 * True when resolvers would take the name for a number rather than for a name: all of its
 * last label is a number, decimal or 0x…, or it starts as an IPv4 address does and ends
 * in a label that starts with a digit ("1.2.3.4x").
 */
static bool looks_like_number(const char *name, size_t length)
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    size_t last = length;
    while (last > 0 && name[last - 1] != '.')
        last--;
    const char *label = name + last;
    size_t label_length = length - last;
    if (label_length == 0 || !is_digit(label[0]))
        return false;
    if (label_length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
        return strspn(label + 2, "0123456789abcdefABCDEF") >= label_length - 2;
    if (strspn(label, "0123456789") >= label_length)
        return true;
    return last > 0 && name[strspn(name, "0123456789")] == '.';
}

/* A host name, letters, digits, "-" and "_" in labels; one final dot is allowed. */
static int check_name(const char *name, size_t length, const char **why)
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length > NAME_MOST)
        return refuse(why, "a name has at most 253 bytes");
    size_t label = 0; /* bytes of the current label so far */
    for (size_t i = 0; i <= length; i++) {
        char c = '.';
        if (i < length)
            c = name[i];
        if (c == '.') {
            if (label == 0)
                return refuse(why, "a name has no empty part");
            if (name[i - 1] == '-')
                return refuse(why, "no part of a name ends with \"-\"");
            label = 0;
            continue;
        }
        if (!is_letter(c) && !is_digit(c) && c != '_' && c != '-')
            return refuse(why, "a name holds only letters, digits, \"-\", \"_\" and dots");
        if (c == '-' && label == 0)
            return refuse(why, "no part of a name starts with \"-\"");
        if (++label > LABEL_MOST)
            return refuse(why, "a part of a name has at most 63 bytes");
    }
    return 0;
}

static int parse_unix(const char *path, struct addr_spec *spec, const char **why)
{
    struct sockaddr_un *un = &spec->address.un;
    size_t length = strlen(path);
    if (path[0] != '/' && path[0] != '@')
        return refuse(why, "a unix socket is unix:/path or unix:@name");
    if (length == 1)
        return refuse(why, "the unix socket has no name");
    if (length >= sizeof un->sun_path)
        return refuse(why, "a unix socket's path has at most 107 bytes");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    size_t counted = length + 1; /* a path counts with its NUL, an abstract name without */
    if (path[0] == '@') {
        un->sun_path[0] = '\0';
        counted = length;
    }
    spec->address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + counted);
    spec->kind = ADDR_SOCKET;
    return 0;
}

static int parse_srv(const char *name, struct addr_spec *spec, const char **why)
{
    static const char why_srv[] = "a service record reads srv:_SERVICE._PROTOCOL.NAME";
    const char *protocol = strstr(name, "._");
    if (name[0] != '_' || protocol == NULL)
        return refuse(why, why_srv);
    const char *dot = strchr(name, '.');
    const char *rest = strchr(protocol + 1, '.');
    if (dot != protocol || rest == NULL || rest[1] == '\0')
        return refuse(why, why_srv);
    size_t length = strlen(name);
    if (check_name(name, length, why) < 0)
        return -1;
    memcpy(spec->name, name, length + 1);
    spec->kind = ADDR_SRV;
    return 0;
}

/* The part behind "%" of a link-local address: an interface's name or number. */
static int parse_scope(const char *scope, struct sockaddr_in6 *in6, const char **why)
{
    if (!IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
        return refuse(why,
                      "only a link-local address (fe80::) takes an interface behind \"%\"");
    int64_t number;
    in6->sin6_scope_id = if_nametoindex(scope);
    if (in6->sin6_scope_id == 0 && units_parse_number(scope, &number) == 0 && number > 0 &&
        number <= UINT32_MAX)
        in6->sin6_scope_id = (uint32_t)number;
    if (in6->sin6_scope_id == 0)
        return refuse(why, "no such network interface behind \"%\"");
    return 0;
}

/* "[IPV6]:PORT" */
static int parse_bracketed(const char *text, struct addr_spec *spec, const char **why)
{
    const char *end = strchr(text, ']');
    if (end == NULL)
        return refuse(why, "\"]\" is missing behind the IPv6 address");
    if (end[1] != ':')
        return refuse(why, "port is missing: [IPV6]:PORT");
    char ip_text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
    size_t length = (size_t)(end - text - 1);
    if (length >= sizeof ip_text)
        return refuse(why, why_v6);
    memcpy(ip_text, text + 1, length);
    ip_text[length] = '\0';
    char *scope = strchr(ip_text, '%');
    if (scope != NULL)
        *scope++ = '\0';
    struct in6_addr ip;
    if (inet_pton(AF_INET6, ip_text, &ip) != 1)
        return refuse(why, why_v6);
    if (parse_port(end + 2, &spec->port, why) < 0)
        return -1;
    spec->kind = ADDR_SOCKET;
    spec->address = make_v6(&ip, spec->port);
    if (scope != NULL && parse_scope(scope, &spec->address.in6, why) < 0)
        return -1;
    addr_unmap(&spec->address);
    return 0;
}

/* "IPV4:PORT", "NAME:PORT", "*:PORT" */
static int parse_host_port(const char *text, struct addr_spec *spec, const char **why)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return refuse(why, "port is missing: ADDRESS:PORT");
    if (strchr(text, ':') != colon)
        return refuse(why, "an IPv6 address needs brackets: [IPV6]:PORT");
    size_t length = (size_t)(colon - text);
    if (length == 0)
        return refuse(why, "address is missing before the port");
    if (length >= sizeof spec->name)
        return refuse(why, "a name has at most 253 bytes");
    if (parse_port(colon + 1, &spec->port, why) < 0)
        return -1;
    if (length == 1 && text[0] == '*') {
        spec->kind = ADDR_WILDCARD;
        spec->address = make_v6(&in6addr_any, spec->port);
        return 0;
    }
    memcpy(spec->name, text, length); /* the rest is zero */
    struct in_addr ip;
    if (inet_pton(AF_INET, spec->name, &ip) == 1) {
        spec->kind = ADDR_SOCKET;
        spec->address = make_v4(ip, spec->port);
        memset(spec->name, 0, sizeof spec->name);
        return 0;
    }
    if (looks_like_number(spec->name, length))
        return refuse(why, why_v4);
    spec->kind = ADDR_NAME;
    return check_name(spec->name, length, why);
}

static int parse_any(const char *text, struct addr_spec *spec, const char **why)
{
    if (text[0] == '\0')
        return refuse(why, "address is empty");
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_unix(text + strlen(UNIX_PREFIX), spec, why);
    if (strncmp(text, SRV_PREFIX, strlen(SRV_PREFIX)) == 0)
        return parse_srv(text + strlen(SRV_PREFIX), spec, why);
    if (text[0] == '[')
        return parse_bracketed(text, spec, why);
    return parse_host_port(text, spec, why);
}

int addr_parse(const char *text, struct addr_spec *out, const char **why)
{
    struct addr_spec spec = {0};
    if (parse_any(text, &spec, why) < 0)
        return -1;
    *out = spec;
    return 0;
}

/* The bytes of an IP address that a prefix counts, and how many bits they are; NULL for others. */
static const unsigned char *ip_bytes(const struct addr *address, int *n_bits)
{
    if (address->any.sa_family == AF_INET) {
        *n_bits = V4_BITS;
        return (const unsigned char *)&address->in.sin_addr;
    }
    if (address->any.sa_family == AF_INET6) {
        *n_bits = V6_BITS;
        return (const unsigned char *)&address->in6.sin6_addr;
    }
    *n_bits = 0;
    return NULL;
}

static bool has_bits_behind(const struct addr *address, int prefix_bits)
{
    int n_bits;
    const unsigned char *bytes = ip_bytes(address, &n_bits);
    for (int bit = prefix_bits; bit < n_bits; bit++) {
        if ((bytes[bit / 8] >> (7 - bit % 8)) & 1)
            return true;
    }
    return false;
}

static int parse_prefix(const char *text, int most, int *prefix_bits, const char **why)
{
    int64_t number;
    if (units_parse_number(text, &number) < 0 || number > most)
        return refuse(why, most == V4_BITS ? "prefix length must be 0 to 32"
                                           : "prefix length must be 0 to 128");
    *prefix_bits = (int)number;
    return 0;
}

int addr_parse_network(const char *text, struct addr_network *out, const char **why)
{
    char ip_text[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/");
    if (length == 0)
        return refuse(why, "address is empty");
    if (length >= sizeof ip_text)
        return refuse(why, "not an IPv4 or IPv6 address");
    memcpy(ip_text, text, length);
    ip_text[length] = '\0';

    struct addr_network network;
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, ip_text, &v4) == 1) {
        network = (struct addr_network){make_v4(v4, 0), V4_BITS};
    } else if (inet_pton(AF_INET6, ip_text, &v6) == 1) {
        network = (struct addr_network){make_v6(&v6, 0), V6_BITS};
    } else if (strspn(ip_text, "0123456789.") == length) {
        return refuse(why, why_v4);
    } else {
        return refuse(why, "not an IPv4 or IPv6 address");
    }
    if (text[length] == '/' &&
        parse_prefix(text + length + 1, network.prefix_bits, &network.prefix_bits, why) < 0)
        return -1;
    if (has_bits_behind(&network.address, network.prefix_bits))
        return refuse(why, "the address has bits set behind its prefix");
    if (network.prefix_bits >= MAPPED_BITS) {
        addr_unmap(&network.address);
        if (network.address.any.sa_family == AF_INET && strchr(ip_text, ':') != NULL)
            network.prefix_bits -= MAPPED_BITS;
    }
    *out = network;
    return 0;
}

static const char *print_word(char out[ADDR_TEXT_BYTES], const char *word)
{
    snprintf(out, ADDR_TEXT_BYTES, "%s", word);
    return out;
}

static const char *print_unix(char out[ADDR_TEXT_BYTES], const struct addr *address)
{
    const struct sockaddr_un *un = &address->un;
    size_t length = 0;
    if (address->length > offsetof(struct sockaddr_un, sun_path))
        length = address->length - offsetof(struct sockaddr_un, sun_path);
    bool is_abstract = length > 0 && un->sun_path[0] == '\0';
    if (!is_abstract)
        length = strnlen(un->sun_path, length);
    char *at = stpcpy(out, UNIX_PREFIX);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)un->sun_path[i];
        bool is_control = byte < 0x20 || byte == 0x7f; /* an abstract name may hold any byte */
        *at++ = is_control ? '?' : (char)byte;
    }
    if (is_abstract)
        out[strlen(UNIX_PREFIX)] = '@';
    *at = '\0';
    return out;
}

const char *addr_print(char out[ADDR_TEXT_BYTES], const struct addr *address)
{
    char ip[INET6_ADDRSTRLEN];
    struct addr shown = *address;
    addr_unmap(&shown);
    switch (shown.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &shown.in.sin_addr, ip, sizeof ip);
        snprintf(out, ADDR_TEXT_BYTES, "%s:%d", ip, ntohs(shown.in.sin_port));
        return out;
    case AF_INET6:
        inet_ntop(AF_INET6, &shown.in6.sin6_addr, ip, sizeof ip);
        if (shown.in6.sin6_scope_id != 0)
            snprintf(out, ADDR_TEXT_BYTES, "[%s%%%u]:%d", ip, shown.in6.sin6_scope_id,
                     ntohs(shown.in6.sin6_port));
        else
            snprintf(out, ADDR_TEXT_BYTES, "[%s]:%d", ip, ntohs(shown.in6.sin6_port));
        return out;
    case AF_UNIX:
        return print_unix(out, &shown);
    default:
        return print_word(out, "none");
    }
}

const char *addr_spec_print(char out[ADDR_TEXT_BYTES + 256], const struct addr_spec *spec)
{
    switch (spec->kind) {
    case ADDR_WILDCARD:
        snprintf(out, ADDR_TEXT_BYTES + 256, "*:%d", spec->port);
        return out;
    case ADDR_NAME:
        snprintf(out, ADDR_TEXT_BYTES + 256, "%s:%d", spec->name, spec->port);
        return out;
    case ADDR_SRV:
        snprintf(out, ADDR_TEXT_BYTES + 256, SRV_PREFIX "%s", spec->name);
        return out;
    case ADDR_SOCKET:
        break;
    }
    return addr_print(out, &spec->address);
}

const char *addr_print_network(char out[ADDR_TEXT_BYTES], const struct addr_network *network)
{
    char ip[INET6_ADDRSTRLEN];
    int n_bits;
    const unsigned char *bytes = ip_bytes(&network->address, &n_bits);
    if (bytes == NULL)
        return print_word(out, "none");
    inet_ntop(network->address.any.sa_family, bytes, ip, sizeof ip);
    if (network->prefix_bits == n_bits)
        return print_word(out, ip);
    snprintf(out, ADDR_TEXT_BYTES, "%s/%d", ip, network->prefix_bits);
    return out;
}

void addr_unmap(struct addr *address)
{
    if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
        return;
    struct in_addr ip;
    memcpy(&ip, address->in6.sin6_addr.s6_addr + MAPPED_BITS / 8, sizeof ip);
    *address = make_v4(ip, ntohs(address->in6.sin6_port));
}

bool addr_is_equal(const struct addr *a, const struct addr *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port &&
               a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
    case AF_UNIX:
        return a->length == b->length && memcmp(&a->un, &b->un, a->length) == 0;
    default:
        return true;
    }
}

uint16_t addr_port(const struct addr *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->in.sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->in6.sin6_port);
    return 0;
}

bool addr_network_has(const struct addr_network *network, const struct addr *address)
{
    if (network->address.any.sa_family != address->any.sa_family)
        return false;
    int n_bits;
    const unsigned char *wanted = ip_bytes(&network->address, &n_bits);
    const unsigned char *bytes = ip_bytes(address, &n_bits);
    if (wanted == NULL || bytes == NULL)
        return false;
    int whole = network->prefix_bits / 8, rest = network->prefix_bits % 8;
    if (memcmp(wanted, bytes, (size_t)whole) != 0)
        return false;
    return rest == 0 || (wanted[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

void addr_prefix(unsigned char out[ADDR_PREFIX_BYTES], const struct addr *address,
                 int inet_bits, int inet6_bits)
{
    struct addr unmapped = *address;
    addr_unmap(&unmapped);
    int n_bits;
    const unsigned char *bytes = ip_bytes(&unmapped, &n_bits);
    bool is_inet = unmapped.any.sa_family == AF_INET;
    int kept = is_inet ? inet_bits : inet6_bits;
    memset(out, 0, ADDR_PREFIX_BYTES);
    if (bytes == NULL)
        return;
    out[0] = is_inet ? 4 : 6;
    for (int i = 0; i < n_bits / 8; i++) {
        int bits = kept - 8 * i; /* of this byte */
        if (bits >= 8)
            out[1 + i] = bytes[i];
        else if (bits > 0)
            out[1 + i] = (unsigned char)(bytes[i] & (0xff << (8 - bits)));
    }
}

bool addr_is_loopback(const struct addr *address)
{
    struct addr unmapped = *address;
    addr_unmap(&unmapped);
    switch (unmapped.any.sa_family) {
    case AF_INET:
        return ntohl(unmapped.in.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&unmapped.in6.sin6_addr);
    case AF_UNIX:
        return true;
    default:
        return false;
    }
}

bool addr_is_one_host(const struct addr *address)
{
    struct addr unmapped = *address;
    addr_unmap(&unmapped);
    if (unmapped.any.sa_family == AF_INET) {
        uint32_t ip = ntohl(unmapped.in.sin_addr.s_addr);
        return ip != INADDR_ANY && ip != INADDR_BROADCAST && !IN_MULTICAST(ip);
    }
    if (unmapped.any.sa_family != AF_INET6)
        return false;
    const struct in6_addr *ip = &unmapped.in6.sin6_addr;
    return !IN6_IS_ADDR_UNSPECIFIED(ip) && !IN6_IS_ADDR_MULTICAST(ip) &&
           (!IN6_IS_ADDR_LINKLOCAL(ip) || unmapped.in6.sin6_scope_id != 0);
}

const char *addr_print_host(char out[ADDR_TEXT_BYTES], const struct addr *address)
{
    const void *bytes = address->any.sa_family == AF_INET
                            ? (const void *)&address->in.sin_addr
                            : (const void *)&address->in6.sin6_addr;
    bool is_ip = address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
    if (!is_ip || inet_ntop(address->any.sa_family, bytes, out, ADDR_TEXT_BYTES) == NULL)
        out[0] = '\0';
    return out;
}
