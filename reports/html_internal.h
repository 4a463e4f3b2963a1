/* html_internal.h -- what every page consists of: head, style, script; and how text goes into one.
 *
 * A page asks nobody for anything: style and script are in it, and its content security policy
 * forbids the rest.  It follows the reader's light or dark scheme and prints in the light one.
 */
#ifndef SSV_REPORTS_HTML_INTERNAL_H
#define SSV_REPORTS_HTML_INTERNAL_H

#include "core/arena.h"

#include <stdio.h>

/* Everything up to <main>, which it opens.  css: more style, or NULL. */
void html_begin(const char *title, const char *css, FILE *out);
void html_end(FILE *out);
/* Clean text, in an element or in a quoted attribute. */
void html_put(const char *text, FILE *out);
/* The same with minus signs for hyphens that stand for them. */
void html_put_signs(const char *text, FILE *out);
/* n blanks that are as wide as digits. */
void html_put_figure_spaces(int n, FILE *out);
void html_put_base64(const void *data, size_t bytes, FILE *out);

/* html_style.c, html_script.c: lines, NULL-terminated. */
extern const char *const html_style[], *const html_script[];

#endif
