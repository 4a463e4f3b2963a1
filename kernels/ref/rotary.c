/* rotary.c -- pairs of entries of queries and keys turned by angles of their place. */
#include "kernels/ref/ref.h"

void ref_rotary(const struct kctx *c, int n, int rows, int heads, int half, const real *table,
                int back, const real *x, int acc, real *y) {
    (void)c;
    enum { Q, K, V, PARTS };
    size_t wide = (size_t)half, at = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++)
            for (int part = Q; part < PARTS; part++)
                for (int head = 0; head < heads; head++, at += 2 * wide)
                    for (size_t j = at; j < at + wide; j++) {
                        const real *of_row = table + 2 * wide * (size_t)row + (j - at);
                        double cosine = part == V ? 1 : (double)of_row[0];
                        double sine = part == V ? 0 : (double)of_row[wide];
                        double a = (double)x[j], b = (double)x[j + wide];
                        sine = back ? -sine : sine;
                        y[j] = (real)(a * cosine - b * sine + (acc ? (double)y[j] : 0));
                        y[j + wide] =
                            (real)(b * cosine + a * sine + (acc ? (double)y[j + wide] : 0));
                    }
}
