/* distributions.h -- the distributions that intervals and tests are read from.
 *
 * Good to ten digits and more, in the tails too: probabilities are computed as what they are, not
 * as 1 minus their complement, where they are small.
 */
#ifndef SSV_RESULTS_DISTRIBUTIONS_H
#define SSV_RESULTS_DISTRIBUTIONS_H

double student_t_quantile(double p, double df);  /* inverse CDF; 0 < p < 1, df > 0 */
double student_t_two_sided(double t, double df); /* P(|T| > |t|) */
double student_t_above(double t, double df);     /* P(T > t) */
double normal_upper(double tail);                /* the z with P(Z > z) = tail; 0 < tail <= 1/2 */

/* Of n throws of a fair coin: P(X <= k), P(X = k). */
double fair_binomial_below(long k, long n);
double fair_binomial_point(long k, long n);

/* The noncentral t: P(|T'| > critical) where T' has its numerator shifted by `shift`, which is the
 * power of a two-sided t-test when the true difference is `shift` standard errors. */
double student_t_power(double shift, double critical, double df);
/* The shift, in standard errors, that a two-sided test at 1 - level finds with that power. */
double student_t_shift(double power, double level, double df);

#endif
