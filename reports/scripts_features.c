/* The scripts of the maps of features. */
#include "reports/figures_internal.h"

#include <stddef.h>

/* clang-format off */

#define BEGIN(NAME, ABOUT)                                                                         \
    "# " NAME ".gp -- " ABOUT ": a panel for each method, a point for each test image.",           \
    "# All that is drawn comes from " NAME ".dat, which each report writes again; this script is yours.", \
    "name = '" NAME "'"

#define MAPS                                                                                       \
    "W = 160 / 25.4                # width of the figure, inches",                                 \
    "LARGEST = 2.7                 # side of a panel, at most",                                    \
    "ACROSS = 4                    # panels side by side, at most",                                \
    "shown(label) = label          # to rename: shown(label) = label eq 'mae' ? 'MAE' : label",    \
    "",                                                                                            \
    "set encoding utf8",                                                                           \
    "set datafile separator \"\\t\"",                                                              \
    "DATA = name.'.dat'",                                                                          \
    "stats DATA index 'caption' using 1 nooutput",                                                 \
    "lines = int(STATS_max)",                                                                      \
    "stats DATA index 'panels' using 1 nooutput",                                                  \
    "panels = int(STATS_max)",                                                                     \
    "stats DATA index 'classes' using 1 nooutput",                                                 \
    "key_lines = int(STATS_max) + 1",                                                              \
    "array TEXT[lines]; array FLAGGED[lines]",                                                     \
    "array MX[panels]",                                                                            \
    "array MY[panels]",                                                                            \
    "array HALF[panels]",                                                                          \
    "array FIRST[panels]",                                                                         \
    "array SECOND[panels]",                                                                        \
    "array TITLE[panels]",                                                                         \
    "array WHAT[panels]",                                                                          \
    "# `stats` reads a block; an assignment in `using` keeps what it read.",                       \
    "stats DATA index 'caption' using (TEXT[$1] = strcol(2), FLAGGED[$1] = $3, 0) nooutput",       \
    "stats DATA index 'panels' using (MX[$1] = $2, MY[$1] = $3, HALF[$1] = $4, 0) nooutput",       \
    "stats DATA index 'panels' using (FIRST[$1] = $5, SECOND[$1] = $6, 0) nooutput",               \
    "stats DATA index 'panels' using (TITLE[$1] = strcol(7), WHAT[$1] = strcol(8), 0) nooutput",   \
    "",                                                                                            \
    "AXES = FIRST[1] >= 0          # is there something to say at the axes?",                      \
    "LEFT = 0.1 + (AXES ? 0.15 : 0); RIGHT = 0.1; GAP = 0.1 + (AXES ? 0.17 : 0)",                  \
    "TOP = 0.36; BELOW = AXES ? 0.22 : 0.06; LINE = 0.135",                                        \
    "down = (panels + ACROSS - 1) / ACROSS",                                                       \
    "across = (panels + down - 1) / down",                                                         \
    "SIDE = (W - LEFT - RIGHT - (across - 1) * GAP) / across",                                     \
    "if (SIDE > LARGEST) { SIDE = LARGEST }",                                                      \
    "H = down * (TOP + SIDE + BELOW) + (key_lines > 0 ? key_lines * LINE + 0.1 : 0) + lines * LINE + 0.14", \
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
    "x0(p) = LEFT + (int(p) - 1) % across * (SIDE + GAP)",                                         \
    "y0(p) = H - (int(p) - 1) / across * (TOP + SIDE + BELOW) - TOP - SIDE",                       \
    "do for [p = 1:panels] {",                                                                     \
    "    set object p rectangle from x0(p), y0(p) to x0(p) + SIDE, y0(p) + SIDE \\",               \
    "        fillstyle empty border lc rgb GRID lw 0.8",                                           \
    "    set label shown(TITLE[p]) at x0(p), y0(p) + SIDE + 0.22 font ',8' textcolor rgb INK",     \
    "    if (WHAT[p] ne '-') { set label WHAT[p] at x0(p), y0(p) + SIDE + 0.09 font ',6.5' textcolor rgb MUTE }",          \
    "    if (AXES) {",                                                                             \
    "        set label sprintf('first: %.3g %% of the variance', FIRST[p]) \\",                    \
    "            at x0(p) + SIDE / 2, y0(p) - 0.08 center font ',6.5' textcolor rgb MUTE",         \
    "        set label sprintf('second: %.3g %%', SECOND[p]) \\",                                  \
    "            at x0(p) - 0.08, y0(p) + SIDE / 2 center rotate by 90 font ',6.5' textcolor rgb MUTE", \
    "    }",                                                                                       \
    "}",                                                                                           \
    "x(p, u) = x0(p) + ((u - MX[int(p)]) / HALF[int(p)] + 1) / 2 * SIDE",                          \
    "y(p, v) = y0(p) + ((v - MY[int(p)]) / HALF[int(p)] + 1) / 2 * SIDE",                          \
    "shape(class) = class < 0 ? 7 : FULL[int(class) % 10 + 1]",                                    \
    "SMALL = SIDE > 1.6 ? 0.5 : 0.36",                                                             \
    "key_x(place) = 0.14 + place * (W - 0.2) / 5",                                                 \
    "key_y(line) = line < 0 ? -1000 : 0.05 + (lines + key_lines - line - 0.5) * LINE + 0.06",      \
    "plot DATA index 'points' using (x($1, $2)):(y($1, $3)):(shape($4)):5 \\",                     \
    "        with points pt variable ps SMALL * MARK lc rgb variable, \\",                         \
    "    DATA index 'classes' using (key_x($2)):(key_y($1)):(shape($3)):4 \\",                     \
    "        with points pt variable ps MARK lc rgb variable, \\",                                 \
    "    DATA index 'classes' using (key_x($2) + 0.09):(key_y($1)):5 \\",                          \
    "        with labels left font ',7' textcolor rgb INK"

const char *const script_pca[] = {
    BEGIN("pca", "the first two principal components of frozen features"),
    MAPS,
    NULL};

const char *const script_tsne[] = {
    BEGIN("tsne", "frozen features by t-SNE"),
    MAPS,
    NULL};
/* clang-format on */
