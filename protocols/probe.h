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

enum { MOST_CLASSES = INT16_MAX }; /* predictions are stored in 16 bits, see docs/results.md */

struct features {         /* one representation of one set of images */
    const float *x;       /* (n, dim) */
    const int32_t *label; /* (n) in 0..classes-1 */
    int n, dim, classes;
};

/* Status 2 when there are no samples, a value is NaN or infinite (the encoder diverged) or, with
 * `labels`, a label is out of range.  `what` names the set in the message: "train".  Every function
 * below does this itself. */
int features_check(const struct features *f, const char *what, int labels, struct error *err);

/* Mean and 1 / sqrt(variance + eps) of each feature (dim), the variance biased. */
void features_measure(const struct features *f, double eps, float *mean, float *rstd);

/* A linear classifier, and how it is trained.
 *   sgd   Nesterov momentum, from zeros, cosine to 0 without warm-up (Chen et al. 2020, SimCLR)
 *   lars  from N(0, 0.01^2), cosine to 0 after a warm-up over a ninth of the steps, trust 0.001,
 * not of biases, momentum without Nesterov (He et al. 2022, MAE, table 10) The rate is lr * batch /
 * 256.  Biases get no weight decay. */
enum head_kind { HEAD_SGD, HEAD_LARS };
extern const char *const head_names[]; /* "sgd", "lars" */
struct linear_head {
    enum head_kind kind;
    double lr, weight_decay;
};

struct linear_options {
    int epochs, batch;
    int batch_norm; /* BatchNorm without affine before the head (MAE), eps 1e-6, with the
                     * statistics of the whole training set in training and test alike */
    double momentum;
    int threads;
};

/* Trains n heads together, one pass over the data serves all of them, and scores each on `val`:
 * val_top1 (n).  Deterministic in (seed); independent of threads and of the other heads.  A head
 * that diverges scores 0. */
int linear_search(const struct kernels *k, const struct features *train, const struct features *val,
                  const struct linear_options *o, const struct linear_head *heads, int n,
                  uint64_t seed, double *val_top1, struct error *err);
/* Trains one head on `train` and writes the logits (test->n, classes) for `test`.  test->label is
 * not read.  The logits of a head that diverged are NaN. */
int linear_fit_predict(const struct kernels *k, const struct features *train,
                       const struct features *test, const struct linear_options *o,
                       const struct linear_head *head, uint64_t seed, float *logits,
                       struct error *err);

#define LOGISTIC_EPS 1e-6 /* added to a variance before a feature is divided by its root */
/* Multinomial logistic regression: the W (classes, dim) and b (classes) that minimise
 *
 *     sum_i -log softmax(W x_i + b)[label_i] + |W|^2 / (2 c)
 *
 * as scikit-learn states it (of two classes it has one row for both, where the same solution has
 * twice the c); b is not penalised.  L-BFGS (Liu and Nocedal 1989) with ten
 * corrections, in double precision, until no derivative of the objective divided by the number of
 * samples exceeds the tolerance.  A pure function of the features, c and the start, whatever the
 * number of threads. */
struct logistic_options {
    const float *mean, *rstd; /* (dim): x is (feature - mean) rstd.  A mean moves the biases only:
                               * without scaling rstd is 1, and the mean helps the solver. */
    int max_iterations, threads;
    double tolerance;
};
struct logistic_result {
    double objective, slope; /* of the mean; slope: its largest derivative, absolute */
    int iterations, converged;
};
/* Doubles of a solution: W, b and what pads them. */
size_t logistic_size(const struct features *train);
/* w: where to start, and the solution.  It is the best point found also when that did not converge:
 * the caller records and reports it. */
int logistic_fit(const struct features *train, const struct logistic_options *o, double c,
                 double *w, struct logistic_result *r, struct error *err);
/* logits (n, classes) */
void logistic_logits(const struct features *f, const struct logistic_options *o, const double *w,
                     float *logits);
/* Fits every c, from the smallest, which starts from zeros, to the largest, each from the one
 * before, and counts what each gets right of `val`: right (n).  Adds to *lost the number of fits
 * that did not converge. */
int logistic_sweep(const struct features *train, const struct features *val,
                   const struct logistic_options *o, const double *c, int n, int *right, int *lost,
                   struct error *err);

/* Cosine k-NN with weights exp(similarity / temperature) (Wu et al. 2018, section 3.4), exact,
 * for each of n_k values of k and n_t temperatures: votes (test->n, n_t, n_k, classes).  The
 * weights of a sample are divided by its nearest neighbour's, which then has 1: no temperature
 * overflows.  Votes are summed in double precision in the order of the neighbours; rounding keeps
 * the class that has the most.
 * Equal similarities are ordered by the training index, and equal votes go to the lower class.  k
 * is clamped to train->n.  test->label is not read. */
struct knn_grid {
    const int *k;              /* (n_k) */
    const double *temperature; /* (n_t) */
    int n_k, n_t;
};
int knn_votes(const struct kernels *kn, const struct features *train, const struct features *test,
              const struct knn_grid *grid, int threads, float *votes, struct error *err);

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
