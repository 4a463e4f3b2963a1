/* beit_mask.c -- which patches BEiT masks.  Bao et al. 2022, arXiv:2106.08254, algorithm 1.
 *
 * Blocks are drawn until enough patches are masked.  Where the paper leaves a choice this follows
 * the authors' code: the aspect ratio is uniform in its logarithm, sides are rounded to whole
 * patches and stay below the grid's, a block that would mask more than what is left is drawn again,
 * and after ten tries in vain the mask stays as it is.  The share to be masked is therefore a cap.
 * The area is drawn between what is left and `least`, whichever is larger: a last block may be
 * smaller than `least`.
 *
 * Departure: where ten tries find no first block, which only grids of a few patches can bring
 * about, one random patch is masked instead of none.
 */
#include "methods/beit_internal.h"

#include <math.h>
#include <string.h>

enum { TRIES = 10 };

/* A block within the grid, or none: height 0. */
static struct mask_block draw_block(const struct block_masking *m, int room, struct rng *rng) {
    struct mask_block b = {.room = room};
    b.area = rng_range(rng, m->least, room);
    b.aspect = exp(rng_range(rng, log(m->aspect), -log(m->aspect)));
    int height = (int)lround(sqrt(b.area * b.aspect));
    int width = (int)lround(sqrt(b.area / b.aspect));
    if (height < 1 || width < 1 || height >= m->grid || width >= m->grid)
        return b;
    b.height = height;
    b.width = width;
    b.top = (int)rng_below(rng, (uint32_t)(m->grid - height + 1));
    b.left = (int)rng_below(rng, (uint32_t)(m->grid - width + 1));
    return b;
}

/* How many patches of the block are not masked yet; masks them when asked to. */
static int new_patches(const struct block_masking *m, const struct mask_block *b, int32_t *masked,
                       int fill) {
    int n = 0;
    for (int i = b->top; i < b->top + b->height; i++)
        for (int j = b->left; j < b->left + b->width; j++) {
            n += !masked[i * m->grid + j];
            masked[i * m->grid + j] |= fill;
        }
    return n;
}

/* One more block: the number of patches it masks, 0 when no try gave one. */
static int add_block(const struct block_masking *m, int room, struct rng *rng, int32_t *masked,
                     struct mask_block *out) {
    for (int i = 0; i < TRIES; i++) {
        *out = draw_block(m, room, rng);
        int n = new_patches(m, out, masked, 0);
        if (n > 0 && n <= room)
            return new_patches(m, out, masked, 1);
    }
    return 0;
}

int block_mask(const struct block_masking *m, struct rng *rng, int32_t *masked,
               struct mask_block *blocks, int *n_blocks) {
    int patches = m->grid * m->grid, count = 0, n = 0, added = 1;
    CHECK(m->most > 0 && m->most < patches, "%d of %d patches masked", m->most, patches);
    memset(masked, 0, sizeof *masked * (size_t)patches);
    while (count < m->most && added) {
        struct mask_block b;
        added = add_block(m, m->most - count, rng, masked, &b);
        count += added;
        if (blocks && added)
            blocks[n] = b;
        n += added > 0;
    }
    if (n_blocks)
        *n_blocks = n;
    if (!count) {
        masked[rng_below(rng, (uint32_t)patches)] = 1;
        count = 1;
    }
    return count;
}
