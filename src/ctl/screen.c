/* SPDX-License-Identifier: MIT */
/* A terminal as a whole screen: entered, written, left as it was. */
#include "ctl/screen.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Control sequences: ECMA-48 and xterm's private modes 7 (wrap), 25 (cursor), 1049 (the other screen). */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define ESCAPE '\033'

void screen_enter(struct screen *screen)
{
    if (tcgetattr(STDIN_FILENO, &screen->before) != 0)
        return;
    struct termios raw = screen->before;
    /* Signals still come by keys: they are waited for. */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    fputs(ENTER, stdout);
    screen->is_entered = true;
}

void screen_leave(struct screen *screen)
{
    if (!screen->is_entered)
        return;
    fputs(LEAVE, stdout);
    fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->before);
    screen->is_entered = false;
}

static struct winsize size_now(void)
{
    struct winsize size = {0};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size.ws_row = size.ws_row > 1 ? size.ws_row : 24;
    size.ws_col = size.ws_col > 0 ? size.ws_col : 80;
    return size;
}

int screen_page(void)
{
    int lines = size_now().ws_row - 2;
    return lines > 1 ? lines : 1;
}

/* Bytes of a line's first characters, at most so many. */
static int cut(const char *line, size_t length, int columns)
{
    size_t i = 0;
    for (; i < length; i++) {
        bool is_first_byte = ((unsigned char)line[i] & 0xc0) != 0x80;
        if (is_first_byte && columns-- == 0)
            break;
    }
    return (int)i;
}

static int count_lines(const char *lines)
{
    int n = 0;
    for (; *lines != '\0'; lines++)
        n += *lines == '\n';
    return n;
}

void screen_show(const char *lines, int *scroll, const char *bottom)
{
    struct winsize size = size_now();
    int room = size.ws_row - 1, most = count_lines(lines) - room;
    *scroll = *scroll > most ? most : *scroll;
    *scroll = *scroll < 0 ? 0 : *scroll;
    for (int i = 0; i < *scroll; i++)
        lines = strchr(lines, '\n') + 1;
    fputs("\033[H", stdout);
    for (int i = 0; i < room && *lines != '\0'; i++) {
        size_t length = strcspn(lines, "\n");
        printf("%.*s\033[K\r\n", cut(lines, length, size.ws_col), lines);
        lines += length + (lines[length] == '\n');
    }
    printf("\033[J\033[%d;1H%.*s\033[K", size.ws_row, cut(bottom, strlen(bottom), size.ws_col),
           bottom);
    fflush(stdout);
}

/* What follows ESC [ or ESC O, as xterm and the Linux console send it. */
static const struct {
    const char *bytes;
    int key;
} sequences[] = {
    {"A", KEY_UP},       {"B", KEY_DOWN},       {"H", KEY_HOME},  {"F", KEY_END},
    {"5~", KEY_PAGE_UP}, {"6~", KEY_PAGE_DOWN}, {"1~", KEY_HOME}, {"4~", KEY_END},
    {"7~", KEY_HOME},    {"8~", KEY_END},
};

int screen_key(const char **at, const char *end)
{
    const char *from = *at;
    *at = from + 1;
    if (*from != ESCAPE)
        return (unsigned char)*from;
    if (end - from < 3 || (from[1] != '[' && from[1] != 'O'))
        return KEY_ESCAPE;
    const char *behind = from + 2;
    while (behind < end - 1 && (*behind < '@' || *behind > '~'))
        behind++;
    *at = behind + 1;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        size_t length = strlen(sequences[i].bytes);
        if ((size_t)(*at - from) == length + 2 &&
            memcmp(from + 2, sequences[i].bytes, length) == 0)
            return sequences[i].key;
    }
    return KEY_OTHER;
}
