/* listing_internal.h -- what the writers of a listing's formats share. */
#ifndef SSV_REPORTS_LISTING_INTERNAL_H
#define SSV_REPORTS_LISTING_INTERNAL_H

#include "reports/listing.h"

void listing_put_text(const struct listing *l, FILE *out);
void listing_put_csv(const struct listing *l, FILE *out);
void listing_put_json(const struct listing *l, FILE *out);
void listing_put_markdown(const struct listing *l, FILE *out);
void listing_put_latex(const struct listing *l, FILE *out);
void listing_put_html(const struct listing *l, FILE *out);

/* Is the column for readers of this kind? */
int listing_shows(const struct listing *l, int column, enum listing_audience reader);
/* For each column, whether a cell of it is marked. */
int *listing_marks(const struct listing *l, struct arena *a);
/* Is any cell that people see? */
int listing_has_marks(const struct listing *l);

/* The number that a text begins with: "+9.6 [+6.4, +12.8]" has one of 4 bytes, 2 of them before
 * its point.  length 0: it begins with none. */
struct listing_lead {
    int length, whole;
};
struct listing_lead listing_lead(const char *text);
/* How far the numbers of a column reach to the left and, from the point on, to the right. */
struct listing_reach {
    int left, right;
};
struct listing_reach listing_reach(const struct listing *l, int column);
/* A column of numbers of which some have more behind them: aligned to the left, their numbers with
 * padding, since what follows is not equally wide. */
int listing_is_wide(const struct listing *l, int column);
/* Is text[i] a hyphen that stands for a minus? */
int listing_is_minus(const char *text, size_t i);

#endif
