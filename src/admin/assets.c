/* SPDX-License-Identifier: MIT */
/* The page's scripts, style sheets and icon, which are files beside the code and lie in the program. */
#include "admin/assets.h"

#include <stddef.h>
#include <string.h>

/*
 * The assembler takes a file as it is; paths count from where the compiler runs, the top of the tree. The Makefile
 * knows that this object depends on them.
 */
#define ASSET(name, file)                                                                      \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n.byte 0\n.popsection\n"); \
    extern const char name[] __attribute__((visibility("hidden")))

ASSET(gaidaros_human_js, "src/admin/human.js");
ASSET(gaidaros_page_js, "src/admin/page.js");
ASSET(gaidaros_parts_js, "src/admin/parts.js");
ASSET(gaidaros_finder_js, "src/admin/finder.js");
ASSET(gaidaros_panes_js, "src/admin/panes.js");
ASSET(gaidaros_control_js, "src/admin/control.js");
ASSET(gaidaros_page_css, "src/admin/page.css");
ASSET(gaidaros_control_css, "src/admin/control.css");
ASSET(gaidaros_icon_svg, "src/admin/icon.svg");

#define JS "text/javascript; charset=utf-8"
#define CSS "text/css; charset=utf-8"

static const struct asset assets[] = {
    {"/human.js", JS, gaidaros_human_js},
    {"/page.js", JS, gaidaros_page_js},
    {"/parts.js", JS, gaidaros_parts_js},
    {"/finder.js", JS, gaidaros_finder_js},
    {"/panes.js", JS, gaidaros_panes_js},
    {"/control.js", JS, gaidaros_control_js},
    {"/page.css", CSS, gaidaros_page_css},
    {"/control.css", CSS, gaidaros_control_css},
    {"/icon.svg", "image/svg+xml", gaidaros_icon_svg},
};

const struct asset *asset_find(const char *path)
{
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++) {
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    }
    return NULL;
}
