/* decimal.h -- numbers as texts. */
#ifndef SSV_CORE_DECIMAL_H
#define SSV_CORE_DECIMAL_H

enum { DECIMAL = 32 };

/* The shortest decimal that reads back as x, without an exponent where 15 digits do; returns its
 * length.  In the C locale. */
int decimal(double x, char out[DECIMAL]);

#endif
