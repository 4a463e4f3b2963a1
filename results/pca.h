/* pca.h -- principal components. */
#ifndef SSV_RESULTS_PCA_H
#define SSV_RESULTS_PCA_H

/* x (n,dim), n > 1.  Writes of the first k components, k <= min(n - 1, dim), the scores (n,k) of
 * the centred rows and which share of the variance each explains, explained (k).  The entry of
 * largest magnitude in each component's scores is positive.  Returns 0, or 1 where x is not finite
 * or all rows are the same; nothing is written then. */
int pca(const float *x, int n, int dim, int k, double *scores, double *explained);

#endif
