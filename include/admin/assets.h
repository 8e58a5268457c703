/* SPDX-License-Identifier: MIT */
/* The page's scripts, style sheets and icon, which are files beside the code and lie in the program. */
#ifndef ADMIN_ASSETS_H
#define ADMIN_ASSETS_H

struct asset {
    const char *path; /* that a browser asks for: "/page.js" */
    const char *type; /* its Content-Type */
    const char *text; /* as the file was when the program was built */
};

/* The asset of this path, NULL when there is none. */
const struct asset *asset_find(const char *path);

#endif
