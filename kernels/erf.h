/* erf.h -- the error function in float, for processors' vectors and for devices.
 *
 * erf(x) = x P(x^2) / Q(x^2) for |x| <= ERF_ONE, with a relative error of 6e-8 before rounding;
 * from there on it is 1 in float.  The coefficients are a minimax fit made for this (iteratively
 * reweighted least squares, then a search over neighbouring floats);
 * tests/t210_kernels_properties.c holds its error against libm.
 */
#ifndef SSV_KERNELS_ERF_H
#define SSV_KERNELS_ERF_H

#define ERF_ONE 3.95f
#define SQRT_HALF 0.707106781f

/* s = x^2, of any type that floats are multiplied with. */
#define ERF_NUMERATOR(s)                                                                           \
    ((((((3.673789805702654e-08f * (s)-3.6560372791427653e-06f) * (s) + 2.695032744668424e-04f) *  \
            (s) +                                                                                  \
        7.136056199669838e-03f) *                                                                  \
           (s) +                                                                                   \
       9.543249756097794e-02f) *                                                                   \
          (s) +                                                                                    \
      3.79649817943573e-01f) *                                                                     \
         (s) +                                                                                     \
     2.114633321762085f)
#define ERF_DENOMINATOR(s)                                                                         \
    ((((1.8362683476880193e-03f * (s) + 2.7315612882375717e-02f) * (s) +                           \
       2.1756644546985626e-01f) *                                                                  \
          (s) +                                                                                    \
      9.61134135723114e-01f) *                                                                     \
         (s) +                                                                                     \
     1.8740450143814087f)

#endif
