/* SPDX-License-Identifier: MIT */
/* What gaidarosctl ends with. */
#ifndef CTL_EXITS_H
#define CTL_EXITS_H

enum {
    DONE = 0,
    REFUSED = 1,     /* by the daemon, or it could not be done here */
    WRONG_USAGE = 2, /* found before anybody was asked */
    NO_DAEMON = 3
};

#endif
