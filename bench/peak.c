#include "bench/peak.h"

#include "core/clock.h"

#include <omp.h>

/* Enough independent chains to hide the latency of a fused multiply-add at two a cycle, few enough
 * to stay in registers. */
enum { CHAINS = 10, ROUNDS = 4096 };

#define FMA_LOOP(NAME, TARGET, BYTES)                                                              \
    TARGET __attribute__((noinline)) static float NAME(float seed) {                               \
        typedef float vec __attribute__((vector_size(BYTES)));                                     \
        vec sum[CHAINS], x = {0}, y = {0};                                                         \
        x = x + 0.999f + seed * 1e-9f;                                                             \
        y = y + 1e-3f;                                                                             \
        for (int i = 0; i < CHAINS; i++)                                                           \
            sum[i] = y * (float)i;                                                                 \
        for (int r = 0; r < ROUNDS; r++) {                                                         \
            _Pragma("GCC unroll 10") for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * x + y;     \
        }                                                                                          \
        float total = 0;                                                                           \
        for (int i = 0; i < CHAINS; i++)                                                           \
            total += sum[i][0];                                                                    \
        return total;                                                                              \
    }

FMA_LOOP(loop_plain, , 16)
#ifdef __x86_64__
FMA_LOOP(loop_avx2, __attribute__((target("avx2,fma"))), 32)
FMA_LOOP(loop_avx512, __attribute__((target("avx512f"))), 64)
#endif

struct candidate {
    float (*loop)(float);
    int bytes;
};

static struct candidate choose(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return (struct candidate){loop_avx512, 64};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct candidate){loop_avx2, 32};
#endif
    return (struct candidate){loop_plain, 16};
}

/* Of tries this short some are free of other work, however busy the machine is. */
double peak_flops(int threads, double seconds) {
    enum { LEAST_LOOPS = 8 };
    const double try_seconds = 0.001, end = clock_seconds() + seconds;
    const struct candidate c = choose();
    double per_loop = 2.0 * CHAINS * ROUNDS * c.bytes / sizeof(float), best = 0;
    volatile float sink = 0;
    do {
        double start = clock_seconds(), elapsed = 0, done = 0;
        while (elapsed < try_seconds) {
            float total = 0;
#pragma omp parallel for num_threads(threads) reduction(+ : total) schedule(static)
            for (int i = 0; i < threads; i++)
                for (int l = 0; l < LEAST_LOOPS; l++)
                    total += c.loop((float)l);
            sink = sink + total;
            done += per_loop * LEAST_LOOPS * threads;
            elapsed = clock_seconds() - start;
        }
        best = done / elapsed > best ? done / elapsed : best;
    } while (clock_seconds() < end);
    return best;
}
