/* families_print.c -- the table of families for those who ask what is recognised. */
#include "weights/family.h"

void families_print(FILE *out) {
    for (int i = 0; families[i]; i++) {
        const struct family *f = families[i];
        fprintf(out, "  %-14s %s (%s)\n", f->name, f->title, f->cite);
        fprintf(out, "  %-14s networks: %s\n  %-14s images: ", "", f->variants, "");
        preprocessing_print(&f->images, out);
        fprintf(out, "\n");
    }
}
