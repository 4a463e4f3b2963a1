/* tsne.h -- exact t-SNE in two dimensions: van der Maaten and Hinton 2008 (JMLR 9, 2579-2605).
 *
 * The result is a function of x and the options, the same bits for any number of threads.  Time
 * and memory grow with n^2: at most some thousand rows.
 */
#ifndef SSV_RESULTS_TSNE_H
#define SSV_RESULTS_TSNE_H

enum { TSNE_LEAST = 12, TSNE_MOST = 5000 };

struct tsne_options {
    double perplexity; /* 30 in the paper; at most (n - 1) / 3 is used */
    int iterations;    /* 1000 in the paper */
    int threads;
};

/* x (n,dim) -> y (n,2), centred.  Returns 0, or 1 where there is nothing to embed and y stays as it
 * is: a number of rows outside TSNE_LEAST..TSNE_MOST, one feature, values that are not finite,
 * equal rows only. */
int tsne(const float *x, int n, int dim, const struct tsne_options *o, double *y);

/* Its parts. */

/* Joint probabilities p (n,n), equation 1 and section 3.1: symmetric, their sum is 1.  x (n,dim).
 */
void tsne_affinities(const double *x, int n, int dim, double perplexity, int threads, float *p);
/* The gradient (n,2) of equation 5 at y (n,2), with p times `exaggeration`. */
void tsne_gradient(const float *p, int n, const double *y, double exaggeration, int threads,
                   double *gradient);
/* The cost C of equation 2. */
double tsne_divergence(const float *p, int n, const double *y);

#endif
