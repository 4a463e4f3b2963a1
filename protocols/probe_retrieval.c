/* Ranks without a matrix of all similarities: first the images' side, a block of images against all
 * texts, which also leaves each text's similarity to its own image; then the texts' side, a block
 * of texts against all images, which counts those that are as near.
 *
 * Texts are the rows of gemm_packed and images the columns of blocks filled up with zeros, so equal
 * features give equal similarities (kernels.h), and one pair the same in both passes.
 */
#include "protocols/probe.h"

#include "core/arena.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { IMAGE_BLOCK = 64, TEXT_BLOCK = 256 };
static const float norm_eps = 1e-12F; /* a zero vector stays zero */

/* What is in front of the right answer: wrong ones that are nearer, and that are as near as the
 * best right one; and how many right ones are as near as that. */
struct rank {
    int32_t nearer, equal, right;
};

struct search {
    const struct kernels *kernels;
    const int32_t *image_of; /* (n_texts) */
    const float *text;       /* (n_texts, dim), normalised */
    const float *packed;     /* the images, block by block */
    size_t packed_block;
    int n_images, n_texts, dim, threads;
    float *own;              /* (n_texts) similarity to the text's image */
    float *similarity;       /* (threads, TEXT_BLOCK, IMAGE_BLOCK) */
    float *nearest;          /* (n_images) similarity of the best right text */
    struct rank *image_rank; /* (n_images) */
    struct rank *text_rank;  /* (n_texts) */
    struct arena arena;
    struct slab slab;
};

static int blocks_of(int n, int block) {
    return (n + block - 1) / block;
}

/* (rows, IMAGE_BLOCK) of texts from row `first` on with a block of images. */
static const float *similarities(const struct search *s, int first, int rows, int image_block) {
    const struct kctx c = {.threads = 1};
    float *out = s->similarity + (size_t)omp_get_thread_num() * TEXT_BLOCK * IMAGE_BLOCK;
    s->kernels->gemm_packed(&c, rows, IMAGE_BLOCK, s->dim, s->text + (size_t)first * (size_t)s->dim,
                            s->dim, s->packed + (size_t)image_block * s->packed_block, NULL,
                            ACT_NONE, NULL, NULL, out, IMAGE_BLOCK);
    return out;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* One text's similarity to a block of images; `column` is that of its own image, if it is there. */
static void find_own(const struct search *s, int text, const float *row, int column) {
    if (column < 0 || column >= IMAGE_BLOCK)
        return;
    float *best = &s->nearest[s->image_of[text]];
    s->own[text] = row[column];
    *best = row[column] > *best ? row[column] : *best;
}

static void rank_for_images(const struct search *s, int text, const float *row, int first,
                            int columns) {
    for (int j = 0; j < columns; j++) {
        struct rank *r = &s->image_rank[first + j];
        float best = s->nearest[first + j];
        if (s->image_of[text] == first + j)
            r->right += row[j] == best;
        else if (row[j] >= best) {
            r->nearer += row[j] > best;
            r->equal += row[j] == best;
        }
    }
}

/* Twice over all texts: the best right one must be known before others are compared with it. */
static void search_texts(const struct search *s, int block) {
    int first = block * IMAGE_BLOCK, columns = least(IMAGE_BLOCK, s->n_images - first);
    for (int pass = 0; pass < 2; pass++)
        for (int t = 0; t < s->n_texts; t += TEXT_BLOCK) {
            int rows = least(TEXT_BLOCK, s->n_texts - t);
            const float *all = similarities(s, t, rows, block);
            for (int i = 0; i < rows; i++) {
                const float *row = all + i * IMAGE_BLOCK;
                if (pass)
                    rank_for_images(s, t + i, row, first, columns);
                else
                    find_own(s, t + i, row, s->image_of[t + i] - first);
            }
        }
}

static void search_images(const struct search *s, int block) {
    int first = block * TEXT_BLOCK, rows = least(TEXT_BLOCK, s->n_texts - first);
    for (int b = 0; b < blocks_of(s->n_images, IMAGE_BLOCK); b++) {
        const float *row = similarities(s, first, rows, b);
        int columns = least(IMAGE_BLOCK, s->n_images - b * IMAGE_BLOCK);
        for (int i = 0; i < rows; i++, row += IMAGE_BLOCK) {
            struct rank *r = &s->text_rank[first + i];
            float own = s->own[first + i];
            for (int j = 0; j < columns; j++) {
                r->nearer += row[j] > own;
                r->equal += row[j] == own && b * IMAGE_BLOCK + j != s->image_of[first + i];
            }
            r->right = 1;
        }
    }
}

/* The probability that a right one is among the first k: of m places that are left for the equal
 * ones, the wrong take all with probability C(equal, m) / C(equal + right, m). */
static double hit(const struct rank *r, int k) {
    double miss = 1;
    for (int i = 0; i < k - r->nearer && miss > 0; i++)
        miss *= (double)(r->equal - i) / (r->equal + r->right - i);
    return 1 - miss;
}

static void score(const struct rank *rank, int n, const int *k, int n_k, double *share) {
    for (int q = 0; q < n_k; q++) {
        double sum = 0;
        int asked = 0;
        for (int i = 0; i < n; i++)
            if (rank[i].right) {
                sum += hit(&rank[i], k[q]);
                asked++;
            }
        share[q] = asked ? sum / asked : NAN;
    }
}

static size_t round_up(size_t n) {
    return (n + 15) / 16 * 16;
}

static int search_open(struct search *s, const float *images, const float *texts,
                       struct error *err) {
    const struct kctx c = {.threads = 1};
    int blocks = blocks_of(s->n_images, IMAGE_BLOCK), dim = s->dim;
    size_t text = round_up((size_t)s->n_texts * (size_t)dim);
    size_t block = (size_t)IMAGE_BLOCK * (size_t)dim;
    s->packed_block = round_up(s->kernels->gemm_pack_size(IMAGE_BLOCK, dim));
    size_t packed = s->packed_block * (size_t)blocks;
    size_t similarity = (size_t)s->threads * TEXT_BLOCK * IMAGE_BLOCK;
    int status = slab_alloc(&s->slab, sizeof(float) * (text + packed + block + similarity),
                            "retrieval", err);
    if (status)
        return status;
    float *at = s->slab.data, *to = at + text, *query = to + packed;
    s->text = at;
    s->packed = to;
    s->similarity = query + block;
    s->kernels->l2_normalize_rows(&c, s->n_texts, dim, norm_eps, texts, at, NULL);
    for (int b = 0; b < blocks; b++, to += s->packed_block) {
        int rows = least(IMAGE_BLOCK, s->n_images - b * IMAGE_BLOCK);
        memset(query, 0, sizeof(float) * block);
        s->kernels->l2_normalize_rows(&c, rows, dim, norm_eps, images + (size_t)b * block, query,
                                      NULL);
        s->kernels->gemm_pack(&c, 1, IMAGE_BLOCK, dim, query, dim, NULL, to);
    }
    s->own = ARENA_ARRAY(&s->arena, float, s->n_texts);
    s->nearest = ARENA_ARRAY(&s->arena, float, s->n_images);
    s->image_rank = ARENA_ARRAY(&s->arena, struct rank, s->n_images);
    s->text_rank = ARENA_ARRAY(&s->arena, struct rank, s->n_texts);
    for (int i = 0; i < s->n_images; i++)
        s->nearest[i] = -INFINITY;
    return 0;
}

int retrieval_recall(const struct kernels *kn, const struct features *images,
                     const struct features *texts, const int *k, int n_k, int threads,
                     double *text_to_image, double *image_to_text, struct error *err) {
    CHECK(images->dim == texts->dim && threads > 0, "%d features against %d on %d threads",
          images->dim, texts->dim, threads);
    struct search s = {.kernels = kn,
                       .image_of = texts->label,
                       .n_images = images->n,
                       .n_texts = texts->n,
                       .dim = images->dim,
                       .threads = threads};
    int status = 0;
    TRY(features_check(images, "image", 0, err));
    TRY(features_check(texts, "text", 0, err));
    for (int i = 0; i < texts->n; i++)
        CHECK(texts->label[i] >= 0 && texts->label[i] < images->n, "text %d of image %d", i,
              texts->label[i]);
    TRY(search_open(&s, images->x, texts->x, err));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks_of(s.n_images, IMAGE_BLOCK); i++)
        search_texts(&s, i);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks_of(s.n_texts, TEXT_BLOCK); i++)
        search_images(&s, i);
    score(s.text_rank, s.n_texts, k, n_k, text_to_image);
    score(s.image_rank, s.n_images, k, n_k, image_to_text);
out:
    slab_free(&s.slab);
    arena_free(&s.arena);
    return status;
}
