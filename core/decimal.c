#include "core/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int decimal(double x, char out[DECIMAL]) {
    int n = snprintf(out, DECIMAL, "%.15g", x);
    if (!strchr(out, 'e') && strtod(out, NULL) == x)
        return n; /* 100, not 1e+02 */
    for (int digits = 1; digits <= 17; digits++) {
        n = snprintf(out, DECIMAL, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return n;
}
