/* probe.h -- classifiers on frozen features: plain numbers in, predictions out.
 *
 * Nothing here knows how features were made.  `linear_probe` and `knn_classify` are what the
 * protocols `linear` and `knn` run after extraction; tests compare them with scikit-learn-like
 * golden values.
 */
#ifndef SSV_PROTOCOLS_PROBE_H
#define SSV_PROTOCOLS_PROBE_H

#include "core/error.h"
#include "core/rng.h"
#include "kernels/kernels.h"

#include <stdint.h>

struct features {         /* one representation of one set of images */
    const float *x;       /* (n, dim) */
    const int32_t *label; /* (n) in 0..classes-1 */
    int n, dim, classes;
};

/* Status 2 when there are no samples, a value is NaN or infinite (the encoder diverged) or, with
 * `labels`, a label is out of range.  `what` names the set in the message: "train".  Every function
 * below does this itself. */
int features_check(const struct features *f, const char *what, int labels, struct error *err);

struct linear_options {
    int epochs, batch;
    int batch_norm;   /* BatchNorm without affine before the head (MAE), eps 1e-6, with the
                       * statistics of the whole training set in training and test alike */
    const double *lr; /* (n_lr) base rates, times batch / 256 */
    const double *weight_decay; /* (n_wd) */
    int n_lr, n_wd;
    double momentum;
    int threads;
};

struct head_score {
    double lr, weight_decay, val_top1;
};

/* Trains n_lr * n_wd heads together (one pass over the data serves all of them), zero-initialised,
 * SGD with Nesterov momentum, cosine schedule to 0 without warm-up, and scores each on `val`.
 * Biases get no weight decay.  scores (n_lr * n_wd) in table order lr-major.  Deterministic in
 * (seed); independent of threads and of the other heads.  A head that diverges scores 0. */
int linear_search(const struct kernels *k, const struct features *train, const struct features *val,
                  const struct linear_options *o, uint64_t seed, struct head_score *scores,
                  struct error *err);
/* Trains one head with o->lr[0], o->weight_decay[0] on `train` and writes the logits (test->n,
 * classes) for `test`.  test->label is not read.  The logits of a head that diverged are NaN. */
int linear_fit_predict(const struct kernels *k, const struct features *train,
                       const struct features *test, const struct linear_options *o, uint64_t seed,
                       float *logits, struct error *err);

/* Cosine k-NN with weights exp(similarity / temperature) (Wu et al. 2018, section 3.4), exact.
 * votes (test->n, classes) for each of n_k values of k: votes[(i*n_k + q)*classes + class].  The
 * weights of a sample are divided by its nearest neighbour's, which then has 1: no temperature
 * overflows.  Equal similarities are ordered by the training index.  k is clamped to train->n.
 * test->label is not read. */
int knn_votes(const struct kernels *kn, const struct features *train, const struct features *test,
              const int *k, int n_k, double temperature, int threads, float *votes,
              struct error *err);

/* Image-text retrieval by cosine: texts->label[i] is the image that text i belongs to;
 * images->label is not read.  text_to_image[q] is the share of texts whose image is among the k[q]
 * nearest of all images, image_to_text[q] the share of images (of those with a text) that have a
 * text of theirs among the k[q] nearest of all texts.  Equally near ones count as in random order:
 * a hit counts by its probability, so an encoder that answers the same to everything scores chance.
 * Equal features are equally near, to the last bit. */
int retrieval_recall(const struct kernels *kn, const struct features *images,
                     const struct features *texts, const int *k, int n_k, int threads,
                     double *text_to_image, double *image_to_text, struct error *err);

/* From scores (n, classes): predictions (ties to the lower class), accuracies in 0..1,
 * top1_per_class (classes) (NaN: no sample of the class), confusion (classes, classes), row =
 * label, column = prediction.  Every output may be NULL.  A row that holds a NaN has no prediction:
 * -1, wrong in every accuracy and not in the confusion. */
void score_predictions(const float *scores, const int32_t *label, int n, int classes, int16_t *pred,
                       double *top1, double *top5, double *top1_per_class, int32_t *confusion);

/* A stratified split of n samples: the same share of every class, rounded, goes to validation, but
 * at least one sample of a class of two or more goes to either side.  is_val (n) of 0/1; depends on
 * (seed, label) only. */
void stratified_split(const int32_t *label, int n, int classes, double val_share, uint64_t seed,
                      uint8_t *is_val);

#endif
