#include "methods/lab_bins.h"

#include "data/lab.h"

#include <math.h>

enum { LEVELS = 256, AB_REACH = 128 }; /* no colour of sRGB has an a or b beyond 108 */

static int cell_of(const struct lab_bins *bins, double x) {
    long cell = lround(x / bins->grid);
    return (int)(cell < -bins->reach ? -bins->reach : cell > bins->reach ? bins->reach : cell);
}

static int32_t *bin_at(const struct lab_bins *bins, int i, int j) {
    return &bins->bin[(i + bins->reach) * (2 * bins->reach + 1) + j + bins->reach];
}

/* Row `row` of a face of the cube: channel `fixed` is 0 or 255, the two others take all values. */
static void mark_row(struct lab_bins *bins, int fixed, int level, int row) {
    uint8_t rgb[LEVELS][3];
    float lab[3][LEVELS];
    for (int i = 0; i < LEVELS; i++) {
        rgb[i][fixed] = (uint8_t)level;
        rgb[i][(fixed + 1) % 3] = (uint8_t)row;
        rgb[i][(fixed + 2) % 3] = (uint8_t)i;
    }
    rgb8_to_lab_image(rgb[0], LEVELS, lab[0]);
    for (int i = 0; i < LEVELS; i++)
        *bin_at(bins, cell_of(bins, (double)lab[1][i]), cell_of(bins, (double)lab[2][i])) = 0;
}

void lab_bins_make(struct lab_bins *bins, double grid, int n_l, struct arena *arena) {
    CHECK(grid > 0 && n_l > 0, "a grid of %g and %d steps", grid, n_l);
    *bins = (struct lab_bins){.grid = grid, .n_l = n_l, .reach = (int)ceil(AB_REACH / grid)};
    int side = 2 * bins->reach + 1, cells = side * side;
    bins->bin = ARENA_ARRAY(arena, int32_t, cells);
    for (int i = 0; i < cells; i++)
        bins->bin[i] = -1;
    for (int face = 0; face < 6; face++)
        for (int row = 0; row < LEVELS; row++)
            mark_row(bins, face / 2, face % 2 ? LEVELS - 1 : 0, row);
    bins->centre = ARENA_ARRAY(arena, float, 2 * cells);
    for (int i = 0; i < cells; i++)
        if (bins->bin[i] == 0) {
            bins->bin[i] = bins->n_ab;
            int a = i / side - bins->reach, b = i % side - bins->reach;
            bins->centre[2 * bins->n_ab] = (float)(grid * a);
            bins->centre[2 * bins->n_ab + 1] = (float)(grid * b);
            bins->n_ab++;
        }
}

int lab_bins_of_ab(const struct lab_bins *bins, double a, double b) {
    int nearest = *bin_at(bins, cell_of(bins, a), cell_of(bins, b));
    if (nearest >= 0)
        return nearest;
    double least = INFINITY; /* a mean of colours can lie where no colour does */
    for (int i = 0; i < bins->n_ab; i++) {
        double da = (double)bins->centre[2 * i] - a, db = (double)bins->centre[2 * i + 1] - b;
        if (da * da + db * db < least) {
            least = da * da + db * db;
            nearest = i;
        }
    }
    return nearest;
}

int lab_bins_of_l(const struct lab_bins *bins, double l) {
    int bin = (int)floor(l / 100 * bins->n_l);
    return bin < 0 ? 0 : bin >= bins->n_l ? bins->n_l - 1 : bin;
}

double lab_bins_l(const struct lab_bins *bins, int bin) {
    return 100 * (bin + 0.5) / bins->n_l;
}
