/* SPDX-License-Identifier: MIT */
/* A terminal as a whole screen: entered, written, left as it was. */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

/* Zero is a screen that is not entered. */
struct screen {
    struct termios before; /* how the terminal was */
    bool is_entered;
};

/* Keys that are no byte. */
enum {
    KEY_UP = 256,
    KEY_DOWN,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_ESCAPE,
    KEY_OTHER /* a sequence that we do not know */
};

/* Switches to the other screen: keys come at once and unseen, the cursor is hidden, lines do not wrap. */
void screen_enter(struct screen *screen);

/* Puts everything back; does nothing to one that is not entered. */
void screen_leave(struct screen *screen);

/*
 * Shows lines, cut at the screen's width.
 * lines   each ended by a newline, without control characters
 * scroll  how many to leave out; put in bounds
 * bottom  what stands in the last line
 */
void screen_show(const char *lines, int *scroll, const char *bottom);

/* Lines that a page has now. */
int screen_page(void);

/*
 * Takes the next key out of bytes read from the terminal.
 * at   moved behind it
 * end  behind the last byte; more than at
 * Returns a byte or KEY_...
 */
int screen_key(const char **at, const char *end);

#endif
