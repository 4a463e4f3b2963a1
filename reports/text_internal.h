/* text_internal.h -- names from a results file, fit for a terminal, a table or a script. */
#ifndef SSV_REPORTS_TEXT_INTERNAL_H
#define SSV_REPORTS_TEXT_INTERNAL_H

#include "core/arena.h"

#include <stdio.h>

/* The text in valid UTF-8 on one line: control characters and broken bytes become '?'. */
char *text_clean(const char *text, struct arena *a);
/* The same bytes where they are UTF-8; each other byte becomes U+FFFD. */
char *text_valid(const char *text, struct arena *a);
/* Clean text for a figure, in which characters that fonts may lack become '?': pango draws a box
 * for them with a pen that gnuplot has set for something else, and the picture is full of stripes.
 */
char *text_for_fonts(const char *text, struct arena *a);
/* Columns on a terminal, of clean text: a combining mark takes none, a CJK character two. */
int text_width(const char *text);
/* At most `columns` wide: what is longer loses its middle to "..". */
char *text_cut(const char *text, int columns, struct arena *a);
/* The same, but in words such as "mae.mask_ratio=0.75" the names are shortened first, all to the
 * same length and to two letters at least: values tell settings apart. */
char *text_cut_settings(const char *text, int columns, struct arena *a);
/* Breaks at blanks into lines of at most `columns`, joined by '\n'. */
char *text_wrap(const char *text, int columns, struct arena *a);

/* Fields of CSV, RFC 4180: quotes where they are needed, and doubled inside; the shortest decimal
 * number that reads back as the same double, nothing for one that is not finite. */
void csv_put_text(FILE *out, const char *text);
void csv_put_number(FILE *out, double x);

#endif
