/* The scripts of figures that are pictures in rows and columns. */
#include "reports/figures_internal.h"

#include <stddef.h>

/* clang-format off */

#define BEGIN(NAME, ABOUT)                                                                         \
    "# " NAME ".gp -- " ABOUT,                                                                     \
    "# All that is drawn comes from " NAME ".dat, which each report writes again; this script is yours.", \
    "name = '" NAME "'"

#define MOSAIC                                                                                     \
    "W = 160 / 25.4                # width of the figure, inches",                                 \
    "LARGEST = 0.75                # side of a picture, at most",                                  \
    "shown(label) = label          # to rename: shown(label) = label eq 'mae' ? 'MAE' : label",    \
    "",                                                                                            \
    "set encoding utf8",                                                                           \
    "set datafile separator \"\\t\"",                                                              \
    "DATA = name.'.dat'",                                                                          \
    "# `stats` reads a block; an assignment in `using` keeps what it read.",                       \
    "stats DATA index 'size' using (wide = $1, tall = $2, side = $3, 0) nooutput",                 \
    "stats DATA index 'caption' using 1 nooutput",                                                 \
    "lines = int(STATS_max)",                                                                      \
    "array TEXT[lines]; array FLAGGED[lines]",                                                     \
    "stats DATA index 'caption' using (TEXT[$1] = strcol(2), FLAGGED[$1] = $3, 0) nooutput",       \
    "stats DATA index 'rows' using (strlen(shown(strcol(2))) * 0.066) nooutput",                   \
    "LEFT = STATS_max",                                                                            \
    "second(text) = text eq '-' ? '' : text",                                                      \
    "stats DATA index 'rows' using (strlen(second(strcol(3))) * 0.054) nooutput",                  \
    "up = STATS_max > 0.1 ? 0.07 : 0     # a second line of text pushes the first one up",         \
    "if (STATS_max < LEFT) { STATS_max = LEFT }",                                                  \
    "LEFT = STATS_max < 0.5 ? 0.7 : STATS_max + 0.2",                                              \
    "TOP = 0.08; LINE = 0.135; KEY = 0.0",                                                         \
    "PX = (W - LEFT - 0.1) / wide  # of a pixel",                                                  \
    "if (PX * side > LARGEST) { PX = LARGEST / side }"

#define PAGE                                                                                       \
    "H = TOP + tall * PX + KEY + lines * LINE + 0.14",                                             \
    "load 'style.gp'",                                                                             \
    "FLAG = '#a8321e'              # of a caption's line that keeps this from being one comparison", \
    "",                                                                                            \
    "# The page in inches.",                                                                       \
    "set lmargin at screen 0",                                                                     \
    "set rmargin at screen 1",                                                                     \
    "set tmargin at screen 1",                                                                     \
    "set bmargin at screen 0",                                                                     \
    "unset border",                                                                                \
    "unset tics",                                                                                  \
    "set xrange [0:W]",                                                                            \
    "set yrange [0:H]",                                                                            \
    "do for [i = 1:lines] {",                                                                      \
    "    set label TEXT[i] at 0.1, 0.05 + (lines - i + 0.5) * LINE font ',7' \\",                  \
    "        textcolor rgb (FLAGGED[i] > 0 ? FLAG : MUTE)",                                        \
    "}",                                                                                           \
    "x(column) = LEFT + column * PX",                                                              \
    "y(row) = H - TOP - row * PX",                                                                 \
    "red(c) = int(c) / 65536; green(c) = int(c) / 256 % 256; blue(c) = int(c) % 256"

#define PLOT                                                                                       \
    "plot DATA index 'pixels' matrix \\",                                                          \
    "        using (x($1 + 0.5)):(y($2 + 0.5)):(red($3)):(green($3)):(blue($3)) with rgbimage, \\", \
    "    DATA index 'heads' using (LEFT):(y($1)):(shown(strcol(2))) \\",                           \
    "        with labels left font ',8' textcolor rgb INK, \\",                                    \
    "    DATA index 'rows' using (LEFT - 0.08):(y($1) - up):(second(strcol(3))) \\",\
    "        with labels right font ',6.5' textcolor rgb MUTE, \\",\
    "    DATA index 'rows' using (LEFT - 0.08):(y($1) + up * (second(strcol(3)) ne '')):(shown(strcol(2))) \\",                     \
    "        with labels right font ',7.5' textcolor rgb INK"

const char *const script_reconstructions[] = {
    BEGIN("reconstructions", "what methods that predict pixels make of images."),
    MOSAIC,
    PAGE,
    PLOT,
    NULL};

const char *const script_attention[] = {
    BEGIN("attention", "where the class token looks: a row of test images for each method."),
    MOSAIC,
    PAGE,
    PLOT,
    NULL};

const char *const script_segmentation[] = {
    BEGIN("segmentation", "classes of pixels, annotated and predicted from frozen features."),
    MOSAIC,
    "PER_LINE = 5                  # classes in a line of the key",
    "stats DATA index 'classes' using 1 nooutput",
    "if (STATS_max >= 0) { KEY = (int(STATS_max) / PER_LINE + 1) * LINE + 0.06 }",
    PAGE,
    "key_x(c) = LEFT + int(c) % PER_LINE * (W - LEFT) / PER_LINE",
    "key_y(c) = c < 0 ? -1000 : y(tall) - 0.12 - int(c) / PER_LINE * LINE",
    PLOT ", \\",
    "    DATA index 'classes' using (key_x($1) + 0.04):(key_y($1)):2 \\",
    "        with points pt 5 ps 1.2 * MARK lc rgb variable, \\",
    "    DATA index 'classes' using (key_x($1) + 0.13):(key_y($1)):3 \\",
    "        with labels left font ',7' textcolor rgb INK",
    NULL};
/* clang-format on */
