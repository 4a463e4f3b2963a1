/* cases_device.h -- what cases.c and cases_device.c share. */
#ifndef SSV_KERNELS_CASES_DEVICE_H
#define SSV_KERNELS_CASES_DEVICE_H

#include "kernels/cases.h"

enum { CASE_GUARD = 16 };       /* words before and behind a buffer's */
#define CASE_POISON 0x7fc0beefu /* a NaN: what nobody has written yet */

/* What a buffer that is written starts from, once more. */
void case_resend(struct case_run *r, struct case_buffer *b);

#endif
