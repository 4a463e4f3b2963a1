/* eigen.h -- eigenvalues and eigenvectors of a real symmetric matrix. */
#ifndef SSV_RESULTS_EIGEN_H
#define SSV_RESULTS_EIGEN_H

/* a (n,n) is destroyed.  value (n): from the largest to the smallest; vector (n,n): in its rows the
 * eigenvectors of unit length, in the same order, whose signs mean nothing.  Returns 0, or 1 where
 * the iteration did not end (an entry is not finite). */
int eigen_symmetric(double *a, int n, double *value, double *vector);

#endif
