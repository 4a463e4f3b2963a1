/* signed_rank.h -- is the centre of paired differences 0, and where is it.
 *
 * Wilcoxon 1945 ("Individual comparisons by ranking methods"), with the exact distribution of the
 * sum of ranks given these ranks, ties shared; the estimate of Hodges and Lehmann 1963 ("Estimates
 * of location based on rank tests") and the interval of the same test.  Nothing is assumed of the
 * differences but that they are symmetric around their centre.
 */
#ifndef SSV_RESULTS_SIGNED_RANK_H
#define SSV_RESULTS_SIGNED_RANK_H

enum { SIGNED_RANK_MOST = 64 };

struct signed_rank {
    double p;      /* two-sided; 1 when every difference is 0 */
    double shift;  /* the median of all means of two */
    double lo, hi; /* of shift, at the level asked for, or -+INFINITY where n is too small for it */
};

/* x (n): differences; 1 <= n <= SIGNED_RANK_MOST. */
struct signed_rank signed_rank(const double *x, int n, double level);
/* adjusted (n): the smallest false discovery rate at which a test is called, Benjamini and Hochberg
 * 1995; p (n) keeps its order. */
void adjust_p(const double *p, int n, double *adjusted);

#endif
