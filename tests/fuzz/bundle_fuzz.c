/* SPDX-License-Identifier: MIT */
/* A bundle of any bytes: unpacked to a model whose rows fit, or refused with a reason. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/bundle.h"

/* Where the head tells how long the bundle is; without that set right nothing behind is looked at. */
#define HEAD_BYTES_OFFSET 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    uint64_t bytes = size;
    bool is_made = write(fd, data, size) == (ssize_t)size;
    if (size >= HEAD_BYTES_OFFSET + sizeof bytes)
        is_made = is_made &&
                  pwrite(fd, &bytes, sizeof bytes, HEAD_BYTES_OFFSET) == (ssize_t)sizeof bytes;
    if (is_made) {
        struct problems problems = {0};
        struct bundle_rows rows;
        struct model *model = bundle_unpack(fd, &rows, &problems);
        assert((model == NULL) == (problems.n_errors > 0));
        assert(model == NULL || rows.n_hosts == model->n_hosts);
        conf_free(model);
        problems_fini(&problems);
    }
    close(fd);
    return 0;
}
