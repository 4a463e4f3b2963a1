/* stats.h -- the statistics behind every interval that this program prints.
 *
 * With three to five seeds only the t-interval covers what it says (simulated: 95 %; +-1.96 SE 82
 * %, percentile bootstrap 75 %).  Proportions near 0 or 1 use Wilson's interval.  Tests are in
 * results/significance.h.
 */
#ifndef SSV_RESULTS_STATS_H
#define SSV_RESULTS_STATS_H

struct interval {
    double mean, lo, hi; /* lo = hi = NAN when n < 2: nothing is known of the spread */
    int n;
};

/* A mean or a difference of means, with what its t-interval and t-test are made of. */
struct estimate {
    double value, error, df; /* error: standard error, NAN when n < 2; df: of Student's t */
    int n;
};

struct estimate paired_estimate(const double *a, const double *b, int n); /* b NULL: of a alone */
struct estimate welch_estimate(const double *a, int na, const double *b, int nb);
struct interval estimate_interval(struct estimate e, double level);
struct interval mean_interval(const double *x, int n, double level);
/* Of the mean of the pairwise differences a - b: seeds are shared, so pairs are. */
struct interval paired_difference(const double *a, const double *b, int n, double level);
/* Of mean(a) - mean(b), unequal variances (Welch 1947). */
struct interval welch_difference(const double *a, int na, const double *b, int nb, double level);
/* Wilson 1927, of a proportion k/n. */
struct interval wilson_interval(long k, long n, double level);
/* Of the mean of x (n), the results of n draws of training samples from one pool: draws have
 * samples in common, so their results are correlated.  Nadeau and Bengio 2003 ("Inference for the
 * generalization error", Machine Learning 52), the corrected resampled t-test: with correlation r
 * the sample variance S^2 estimates (1 - r) of the variance, and that of the mean is
 * (1/n + r / (1 - r)) S^2.  Like them, r is taken to be the share of samples that two draws have in
 * common, `overlap` in [0, 1]; theirs are test samples, n2 / (n1 + n2) of random splits, which
 * gives their 1/n + n2/n1.  NAN when n < 2 or overlap is 1. */
double resampled_variance(const double *x, int n, double overlap);
double median(double *x, int n); /* sorts x */

#endif
