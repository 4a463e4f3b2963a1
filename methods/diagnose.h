/* diagnose.h -- signs of a collapse, from what a batch looks like after the encoder. */
#ifndef SSV_METHODS_DIAGNOSE_H
#define SSV_METHODS_DIAGNOSE_H

/* x (rows,dim).  Chen and He 2021 (arXiv:2011.10566), section 4.1: rows are normalised to length 1,
 * then the standard deviation over rows is averaged over columns and multiplied by sqrt(dim): 1 for
 * rows in all directions, 0 when all are the same. */
double feature_std(int rows, int dim, const float *x);
/* Garrido et al. 2023 (RankMe, arXiv:2210.02885), eq. (1): exp of the entropy of the singular
 * values of x minus its mean, divided by their sum; 1 when all rows lie on a line, at most
 * min(rows-1, dim). Constant rows have rank 0.  At most DIAGNOSE_ROWS rows are looked at. */
double effective_rank(int rows, int dim, const float *x);
enum { DIAGNOSE_ROWS = 256 };
/* Mean entropy, in nats, of softmax(x) over rows: ln cols when every prediction is uniform; and the
 * entropy of the mean prediction: 0 when all rows choose the same. */
void prediction_entropy(int rows, int cols, const float *logits, double *mean, double *of_mean);

#endif
