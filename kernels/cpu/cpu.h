/* cpu.h -- the operations of this backend, for the instruction set being compiled.
 *
 * Every line of KERNEL_LIST is declared; a file NAME.c defines those of its family, table.c lists
 * those that exist, and ref has the rest.
 */
#ifndef SSV_KERNELS_CPU_CPU_H
#define SSV_KERNELS_CPU_CPU_H

#include "core/error.h"
#include "kernels/cpu/isa.h"
#include "kernels/kernels.h"

#define KERNEL(name, parameters) void ISA_NAME(name) parameters;
#define KERNEL_RETURNS(type, name, parameters) type ISA_NAME(name) parameters;
KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS

/* The table of this instruction set: kernels_cpu_avx2, ... */
const struct kernels *ISA_NAME(kernels_cpu)(void);

/* Work that is shared among threads is cut at multiples of this many elements, whatever the number
 * of threads, so that a remainder is always computed by the same code. */
enum { BLOCK = 4096 };

#endif
