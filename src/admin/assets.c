/* SPDX-License-Identifier: MIT */
/* The scripts and the style of the page, which are files beside the code and lie in the program. */
#include "admin/assets.h"

/*
 * The assembler takes a file as it is; paths count from where the compiler runs, the top of the tree. The Makefile
 * knows that this object depends on them.
 */
#define ASSET(name, file)                                                                      \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n.byte 0\n.popsection\n"); \
    extern const char name[] __attribute__((visibility("hidden")))

ASSET(gaidaros_page_js, "src/admin/page.js");
ASSET(gaidaros_control_js, "src/admin/control.js");
ASSET(gaidaros_control_css, "src/admin/control.css");

void asset_page_js(struct text *out)
{
    text_add(out, gaidaros_page_js);
}

void asset_control_js(struct text *out)
{
    text_add(out, gaidaros_control_js);
}

void asset_control_css(struct text *out)
{
    text_add(out, gaidaros_control_css);
}
