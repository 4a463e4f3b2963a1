/* significance.h -- tests of differences, one per question that a table answers.
 *
 * An estimate comes from results/stats.h.  Where nothing is known of the spread (one run, or
 * several that agree to the last digit) a test has no p: NAN, never 0.
 */
#ifndef SSV_RESULTS_SIGNIFICANCE_H
#define SSV_RESULTS_SIGNIFICANCE_H

#include "results/stats.h"

/* Of no difference, two-sided: Student's paired test or Welch's, as the estimate was made. */
double difference_p(struct estimate e);
/* Of a difference of `margin` or more in either direction: two one-sided tests (Schuirmann 1987,
 * "A comparison of the two one-sided tests procedure...", J. Pharmacokin. Biopharm. 15).  Small
 * where the two are equivalent. */
double equivalence_p(struct estimate e, double margin);
/* The true difference that the two-sided test at 1 - level would find with that power, were the
 * standard error what it was estimated to be: from the noncentral t. */
double smallest_detectable(struct estimate e, double level, double power);

/* adjusted (n): the smallest family-wise error rate at which a test is called, Holm 1979 ("A simple
 * sequentially rejective multiple test procedure").  p (n) keeps its order; a NAN is no test and
 * stays NAN. */
void holm(const double *p, int n, double *adjusted);
/* level (n): of the interval that agrees with Holm's decision at 1 - alpha: it leaves out 0 just
 * where the adjusted p is alpha or less.  Each is the level at which its test was made; tests
 * behind the first that was not called share that one's. */
void holm_levels(const double *p, int n, double alpha, double *level);

/* McNemar 1947, of two classifiers on the same images: only the images count that one of them alone
 * has right.  Exact: two-sided from the binomial distribution.  mid: with half of the probability
 * of what was seen (Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodol. 13:91), less
 * conservative. */
struct mcnemar {
    double exact, mid;
};
struct mcnemar mcnemar(long only_a, long only_b);

#endif
