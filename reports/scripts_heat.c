/* The scripts of the figures that are panels of coloured cells. */
#include "reports/figures_internal.h"

#include <stddef.h>

/* clang-format off */
#define SHARED(palette)                                                                              \
    "shown(label) = label          # to rename: shown(label) = label eq 'mae' ? 'MAE' : label",      \
    "set palette defined (" palette ")",                                                             \
    "",                                                                                              \
    "set encoding utf8",                                                                             \
    "set datafile separator \"\\t\"",                                                                \
    "DATA = name.'.dat'",                                                                            \
    "stats DATA index 'panels' using 1 nooutput",                                                    \
    "panels = int(STATS_max)",                                                                       \
    "stats DATA index 'caption' using 1 nooutput",                                                   \
    "lines = int(STATS_max)",                                                                        \
    "stats DATA index 'names' using 1 nooutput",                                                     \
    "names = int(STATS_records)",                                                                    \
    "array X[panels]; array Y[panels]; array WIDE[panels]; array TALL[panels]",                      \
    "array COLS[panels]; array ROWS[panels]; array TITLE[panels]; array SECOND[panels]",             \
    "array RLABEL[panels]; array CLABEL[panels]; array TEXT[lines]; array FLAGGED[lines]",           \
    "array NPANEL[names]; array NAXIS[names]; array NAT[names]; array NFONT[names]; array NAME[names]", \
    "# `stats` reads a block; an assignment in `using` keeps what it read.",                         \
    "stats DATA index 'panels' using (X[$1] = $2, Y[$1] = $3, WIDE[$1] = $4, 0) nooutput",           \
    "stats DATA index 'panels' using (TALL[$1] = $5, COLS[$1] = $6, ROWS[$1] = $7, 0) nooutput",     \
    "stats DATA index 'panels' using (TITLE[$1] = shown(strcol(8)), SECOND[$1] = strcol(9), 0) nooutput", \
    "stats DATA index 'panels' using (RLABEL[$1] = strcol(10), CLABEL[$1] = strcol(11), 0) nooutput", \
    "stats DATA index 'names' using (NPANEL[$0+1] = $1, NAXIS[$0+1] = $2, NAT[$0+1] = $3, 0) nooutput", \
    "stats DATA index 'names' using (NFONT[$0+1] = $4, NAME[$0+1] = strcol(5), 0) nooutput",         \
    "stats DATA index 'caption' using (TEXT[$1] = strcol(2), FLAGGED[$1] = $3, 0) nooutput",         \
    "stats DATA index 'layout' using (W = $1, HIGH = $2, LEFT = $3, UNDER = $4, 0) nooutput",        \
    "stats DATA index 'layout' using (LO = $5, HI = $6, STEP = $7, LABEL = strcol(8), 0) nooutput",  \
    "stats DATA index 'layout' using (NUMBER = ','.strcol(9), EDGE = $10, 0) nooutput",              \
    "",                                                                                              \
    "# inches",                                                                                      \
    "LINE = 0.135",                                                                                  \
    "H = HIGH + lines * LINE + 0.14",                                                                \
    "load 'style.gp'",                                                                               \
    "FLAG = '#a8321e'              # of a caption's line that keeps this from being one comparison", \
    "",                                                                                              \
    "unset grid",                                                                                    \
    "set border 15 lw 0.5 lc rgb GRID",                                                              \
    "unset xtics",                                                                                   \
    "unset ytics",                                                                                   \
    "set cbrange [LO:HI]",                                                                           \
    "set cbtics STEP font ',6.5' offset -0.6, 0 scale 0.3",                                          \
    "set colorbox user origin screen (EDGE + 0.12) / W, screen 1 - (Y[1] + (TALL[1] < 1.4 ? TALL[1] : 1.4)) / H \\", \
    "    size screen 0.08 / W, screen (TALL[1] < 1.4 ? TALL[1] : 1.4) / H",                          \
    "set label LABEL at screen (EDGE + 0.54) / W, screen 1 - (Y[1] + (TALL[1] < 1.4 ? TALL[1] : 1.4) / 2) / H \\", \
    "    center rotate by 90 font ',6.5' textcolor rgb MUTE",                                        \
    "AWAY = 1e30                   # what belongs to other panels goes out of range",                \
    "set multiplot",                                                                                 \
    "do for [i = 1:lines] {",                                                                        \
    "    set label TEXT[i] at screen 0.1 / W, screen (0.05 + (lines - i + 0.5) * LINE) / H \\",      \
    "        font ',7' textcolor rgb (FLAGGED[i] > 0 ? FLAG : MUTE)",                                    \
    "}",                                                                                             \
    "do for [k = 1:panels] {",                                                                       \
    "    x0 = X[k]; y1 = H - Y[k]",                                                                  \
    "    set lmargin at screen x0 / W",                                                              \
    "    set rmargin at screen (x0 + WIDE[k]) / W",                                                  \
    "    set tmargin at screen y1 / H",                                                              \
    "    set bmargin at screen (y1 - TALL[k]) / H",                                                  \
    "    one = SECOND[k] eq '-'    # a single line of title stands lower",                           \
    "    set label TITLE[k] at screen (x0 + WIDE[k] / 2) / W, screen (y1 + (one ? 0.1 : 0.21)) / H \\", \
    "        center font ',8' textcolor rgb INK",                                                    \
    "    if (!one) {",                                                                               \
    "        set label SECOND[k] at screen (x0 + WIDE[k] / 2) / W, screen (y1 + 0.08) / H \\",       \
    "            center font ',6.5' textcolor rgb MUTE",                                             \
    "    }",                                                                                         \
    "    if (RLABEL[k] ne '-') {",                                                                   \
    "        set label RLABEL[k] at screen (x0 - LEFT + 0.1) / W, screen (y1 - TALL[k] / 2) / H \\", \
    "            center rotate by 90 font ',7' textcolor rgb INK",                                   \
    "    }",                                                                                         \
    "    if (CLABEL[k] ne '-') {",                                                                   \
    "        set label CLABEL[k] at screen (x0 + WIDE[k] / 2) / W, \\",                              \
    "            screen (y1 - TALL[k] - UNDER + 0.12) / H center font ',7' textcolor rgb INK",       \
    "    }",                                                                                         \
    "    do for [i = 1:names] {",                                                                    \
    "        if (NPANEL[i] == k && NAXIS[i] == 1) {",                                                \
    "            set label NAME[i] at first NAT[i], screen (y1 - TALL[k] - 0.04) / H \\",            \
    "                right rotate by 90 font sprintf(',%.2f', NFONT[i]) textcolor rgb INK",          \
    "        }",                                                                                     \
    "        if (NPANEL[i] == k && NAXIS[i] == 2) {",                                                \
    "            set label NAME[i] at screen (x0 - 0.04) / W, first NAT[i] \\",                      \
    "                right font sprintf(',%.2f', NFONT[i]) textcolor rgb INK",                       \
    "        }",                                                                                     \
    "    }",                                                                                         \
    "    set xrange [-0.5:COLS[k] - 0.5]",                                                           \
    "    set yrange [ROWS[k] - 0.5:-0.5]",                                                           \
    "    in(panel, y) = panel == k ? y : AWAY",                                                      \
    "    plot DATA index 'cells' using 2:(in($1, $3)):($2 - 0.5):($2 + 0.5):(in($1, $3 - 0.5)):(in($1, $3 + 0.5)):4 \\", \
    "            with boxxyerror fs solid 1 noborder lc palette, \\",                                \
    "        DATA index 'cells' using 2:(strcol(6) eq '-' ? AWAY : in($1, $3)):6:($5 > 0 ? 0xffffff : 0x222222) \\", \
    "            with labels center font NUMBER textcolor rgb variable",                             \
    "    unset label",                                                                               \
    "    unset colorbox",                                                                            \
    "}",                                                                                             \
    "unset multiplot"

#define HEAT(name, what, palette)                                                                    \
    {"# " name ".gp -- " what ".",                                                                   \
     "# All that is drawn comes from " name ".dat, which each report writes again; this script is "  \
     "yours.",                                                                                       \
     "name = '" name "'",                                                                            \
     SHARED(palette), NULL}

#define BLUES "0 '#ffffff', 1 '#deebf7', 2 '#9ecae1', 3 '#4292c6', 4 '#08519c', 5 '#08306b'"
#define VIRIDIS                                                                                      \
    "0 '#440154', 1 '#46307e', 2 '#365c8d', 3 '#277f8e', 4 '#1fa187', 5 '#4ac16d', 6 '#a0da39', "    \
    "7 '#fde725'"

const char *const script_confusion[] =
    HEAT("confusion", "which class is taken for which, a panel for each method", BLUES);
const char *const script_pairs[] =
    HEAT("pairs", "accuracy over two settings of a method", VIRIDIS);
/* clang-format on */
