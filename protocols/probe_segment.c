#include "protocols/segmentation.h"

#include <math.h>
#include <string.h>

/* ---- places ---- */

static int place_of(int pixel, int pixels, int places) {
    return (int)((2 * (int64_t)pixel + 1) * places / (2 * (int64_t)pixels));
}

void mask_histogram(const uint8_t *mask, int height, int width, int classes, struct grid grid,
                    int32_t *count) {
    struct arena scratch = {0};
    int *column = ARENA_ARRAY(&scratch, int, width);
    for (int x = 0; x < width; x++)
        column[x] = place_of(x, width, grid.width);
    memset(count, 0, sizeof *count * (size_t)grid.height * (size_t)grid.width * (size_t)classes);
    for (int y = 0; y < height; y++) {
        int32_t *row = count + (ptrdiff_t)place_of(y, height, grid.height) * grid.width * classes;
        for (int x = 0; x < width; x++, mask++) {
            CHECK(*mask < classes || *mask == MASK_IGNORE, "class %d of %d", *mask, classes);
            if (*mask != MASK_IGNORE)
                row[column[x] * classes + *mask]++;
        }
    }
    arena_free(&scratch);
}

/* ---- upsampling ---- */

struct tap { /* a pixel between two places */
    int at, next;
    float weight; /* of next */
};

static struct tap *taps(int pixels, int places, struct arena *a) {
    struct tap *t = ARENA_ARRAY(a, struct tap, pixels);
    for (int i = 0; i < pixels; i++) {
        double centre = fmax(0, (i + 0.5) * places / pixels - 0.5);
        t[i].at = (int)centre;
        t[i].next = t[i].at + 1 < places ? t[i].at + 1 : t[i].at;
        t[i].weight = (float)(centre - t[i].at);
    }
    return t;
}

static float between(float a, float b, float weight) {
    return a + weight * (b - a);
}

/* Down first: a row of places between two rows, then every pixel of it. */
void logits_to_mask(const float *logits, struct grid grid, int classes, int height, int width,
                    uint8_t *out) {
    struct arena scratch = {0};
    const struct tap *down = taps(height, grid.height, &scratch);
    const struct tap *across = taps(width, grid.width, &scratch);
    int entries = grid.width * classes;
    float *row = ARENA_ARRAY(&scratch, float, entries);
    for (int y = 0; y < height; y++) {
        const float *upper = logits + (ptrdiff_t)down[y].at * entries;
        const float *lower = logits + (ptrdiff_t)down[y].next * entries;
        for (int i = 0; i < entries; i++)
            row[i] = between(upper[i], lower[i], down[y].weight);
        for (int x = 0; x < width; x++) {
            const float *left = row + across[x].at * classes,
                        *right = row + across[x].next * classes;
            float most = between(left[0], right[0], across[x].weight);
            int best = 0;
            for (int c = 1; c < classes; c++) {
                float z = between(left[c], right[c], across[x].weight);
                if (z > most)
                    best = c, most = z;
            }
            *out++ = (uint8_t)best;
        }
    }
    arena_free(&scratch);
}

/* ---- masks ---- */

void confusion_add(int64_t *confusion, int classes, const uint8_t *truth, const uint8_t *predicted,
                   size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (truth[i] == MASK_IGNORE)
            continue;
        CHECK(truth[i] < classes && predicted[i] < classes, "class %d as %d, of %d", truth[i],
              predicted[i], classes);
        confusion[truth[i] * classes + predicted[i]]++;
    }
}

void confusion_scores(const int64_t *confusion, int classes, double *iou, double *miou,
                      double *pixel_accuracy) {
    double sum = 0, right = 0, all = 0;
    int counted = 0;
    for (int c = 0; c < classes; c++) {
        int64_t truth = 0, predicted = 0, both = confusion[c * classes + c];
        for (int i = 0; i < classes; i++) {
            truth += confusion[c * classes + i];
            predicted += confusion[i * classes + c];
        }
        double either = (double)(truth + predicted - both), one = NAN;
        if (either > 0) {
            one = (double)both / either;
            sum += one;
            counted++;
        }
        if (iou)
            iou[c] = one;
        right += (double)both;
        all += (double)truth;
    }
    *miou = counted ? sum / counted : NAN;
    *pixel_accuracy = all > 0 ? right / all : NAN;
}

/* ---- attention ---- */

void attention_keep(const float *attention, int n, double share, uint8_t *kept) {
    double all = 0, mass = 0;
    memset(kept, 0, (size_t)n);
    for (int i = 0; i < n; i++)
        all += (double)attention[i];
    for (int k = 0; k < n && mass < share * all; k++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!kept[i] && (best < 0 || attention[i] > attention[best]))
                best = i;
        kept[best] = 1;
        mass += (double)attention[best];
    }
}

struct jaccard attention_jaccard(const uint8_t *kept, int heads, const int32_t *count, int places,
                                 int classes, int has_background) {
    struct jaccard all = {0};
    struct arena scratch = {0};
    int64_t *chosen = ARENA_ARRAY(&scratch, int64_t, heads); /* pixels that a head keeps */
    for (int h = 0; h < heads; h++)
        for (int p = 0; p < places; p++)
            for (int c = 0; c < classes && kept[h * places + p]; c++)
                chosen[h] += count[p * classes + c];
    for (int c = has_background ? 1 : 0; c < classes; c++) {
        int64_t object = 0;
        double best = 0, sum = 0;
        for (int p = 0; p < places; p++)
            object += count[p * classes + c];
        if (!object)
            continue;
        for (int h = 0; h < heads; h++) {
            int64_t both = 0;
            for (int p = 0; p < places; p++)
                both += kept[h * places + p] ? count[p * classes + c] : 0;
            double one = (double)both / (double)(object + chosen[h] - both);
            best = fmax(best, one);
            sum += one;
        }
        all.best_head += best;
        all.mean_head += sum / heads;
        all.objects++;
    }
    all.best_head = all.objects ? all.best_head / all.objects : NAN;
    all.mean_head = all.objects ? all.mean_head / all.objects : NAN;
    arena_free(&scratch);
    return all;
}
