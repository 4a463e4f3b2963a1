#include "core/options.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 96 };

/* '-' and '_' are the same in a name, and case is a common slip. */
static int folded(char c) {
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Edit distance in which swapping two neighbours counts as one slip (optimal string alignment). */
static int distance(const char *a, int n, const char *b, int m) {
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= m; j++)
        above[j] = j;
    for (int i = 1; i <= n; i++) {
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int same = folded(a[i - 1]) == folded(b[j - 1]);
            row[j] = least(above[j - 1] + !same, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        int *free_row = before;
        before = above, above = row, row = free_row;
    }
    return above[m];
}

const char *nearest_name(const char *name, const char *const *names, int n) {
    size_t length = strlen(name);
    if (length > LONGEST)
        return NULL;
    const char *nearest = NULL;
    int best = (int)(length + 2) / 3 + 1; /* a third of the letters wrong is still a slip */
    for (int i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > LONGEST)
            continue;
        int d = distance(name, (int)length, names[i], (int)other);
        size_t longer = other > length ? other : length;
        if (d < best && (size_t)d < longer) { /* two names with nothing in common are no slip */
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
