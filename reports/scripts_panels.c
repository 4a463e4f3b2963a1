/* The scripts of all figures that are panels of points and curves.  Each is complete in itself, so
 * that it can be edited; here they share their lines. */
#include "reports/figures_internal.h"

#include <stddef.h>

/* clang-format off */
#define SHARED                                                                                       \
    "shown(label) = label          # to rename: shown(label) = label eq 'mae' ? 'MAE' : label",      \
    "W = 160 / 25.4                # width of the figure, inches",                                   \
    "",                                                                                              \
    "set encoding utf8",                                                                             \
    "set datafile separator \"\\t\"",                                                                \
    "DATA = name.'.dat'",                                                                            \
    "stats DATA index 'panels' using 1 nooutput",                                                    \
    "panels = int(STATS_max)",                                                                       \
    "stats DATA index 'layout' using (across = int($1), TALL = $2, 0) nooutput",                     \
    "stats DATA index 'caption' using 1 nooutput",                                                   \
    "lines = int(STATS_max)",                                                                        \
    "stats DATA index 'ticks' using 1 nooutput",                                                     \
    "ticks = int(STATS_records)",                                                                    \
    "stats DATA index 'fills' using 1 nooutput",                                                     \
    "fills = int(STATS_records)",                                                                    \
    "stats DATA index 'legend' using 1 nooutput",                                                    \
    "keys = int(STATS_records)",                                                                     \
    "rows = int(STATS_max)         # of the legend",                                                 \
    "array XLOG[panels]; array XLO[panels]; array XHI[panels]; array XLABEL[panels]",                \
    "array YLOG[panels]; array YLO[panels]; array YHI[panels]; array YLABEL[panels]",                \
    "array TITLE[panels]; array SECOND[panels]; array TEXT[lines]; array FLAGGED[lines]",                                  \
    "array TICK[ticks]; array AXIS[ticks]; array AT[ticks]; array NUMBER[ticks]",                    \
    "array BAND[fills]; array BLOOK[fills]",                                                         \
    "array KROW[keys]; array KX[keys]; array KLOOK[keys]; array KEY[keys]",                          \
    "# `stats` reads a block; an assignment in `using` keeps what it read.",                         \
    "stats DATA index 'panels' using (XLOG[$1] = $2, XLO[$1] = $3, XHI[$1] = $4, 0) nooutput",       \
    "stats DATA index 'panels' using (YLOG[$1] = $5, YLO[$1] = $6, YHI[$1] = $7, 0) nooutput",       \
    "stats DATA index 'panels' using (TITLE[$1] = shown(strcol(8)), 0) nooutput",                    \
    "stats DATA index 'panels' using (SECOND[$1] = strcol(9), 0) nooutput",                          \
    "stats DATA index 'panels' using (XLABEL[$1] = strcol(10), YLABEL[$1] = strcol(11), 0) nooutput", \
    "stats DATA index 'ticks' using (TICK[$0+1] = $1, AXIS[$0+1] = $2, 0) nooutput",                 \
    "stats DATA index 'ticks' using (AT[$0+1] = $3, NUMBER[$0+1] = strcol(4), 0) nooutput",          \
    "stats DATA index 'fills' using (BAND[$0+1] = $2, BLOOK[$0+1] = $3, 0) nooutput",                \
    "stats DATA index 'legend' using (KROW[$0+1] = $1, KX[$0+1] = $2, KLOOK[$0+1] = $3, 0) nooutput", \
    "stats DATA index 'legend' using (KEY[$0+1] = shown(strcol(4)), 0) nooutput",                    \
    "stats DATA index 'caption' using (TEXT[$1] = strcol(2), FLAGGED[$1] = $3, 0) nooutput",                           \
    "",                                                                                              \
    "# inches",                                                                                      \
    "LEFT = 0.52; RIGHT = 0.14; TOP = 0.4; UNDER = 0.42; LINE = 0.135; ROW = 0.17",                  \
    "down = (panels + across - 1) / across",                                                         \
    "wide = W / across - LEFT - RIGHT",                                                              \
    "above = rows > 0 ? rows * ROW + 0.06 : 0",                                                      \
    "H = above + down * (TOP + TALL + UNDER) + lines * LINE + 0.12",                                 \
    "load 'style.gp'",                                                                               \
    "FLAG = '#a8321e'              # of a caption's line that keeps this from being one comparison", \
    "",                                                                                              \
    "set grid xtics ytics",                                                                          \
    "AWAY = 1e30                   # what belongs to other panels goes out of range",                \
    "set multiplot",                                                                                 \
    "do for [i = 1:lines] {",                                                                        \
    "    set label TEXT[i] at screen 0.1 / W, screen (0.05 + (lines - i + 0.5) * LINE) / H \\",      \
    "        font ',7' textcolor rgb (FLAGGED[i] > 0 ? FLAG : MUTE)",                          \
    "}",                                                                                             \
    "do for [i = 1:keys] {",                                                                         \
    "    if (KROW[i] > 0) {",                                                                        \
    "        kx = (LEFT + KX[i]) / W; ky = 1 - (0.12 + (KROW[i] - 1) * ROW) / H",                    \
    "        set label '' at screen kx, screen ky \\",                                               \
    "            point pt FULL[KLOOK[i]] ps 1.1*MARK lc rgb COL[KLOOK[i]]",                          \
    "        set label KEY[i] at screen kx + 0.1 / W, screen ky left font ',7' textcolor rgb INK",   \
    "    }",                                                                                         \
    "}",                                                                                             \
    "do for [k = 1:panels] {",                                                                       \
    "    x0 = (k - 1) % across * W / across + LEFT",                                                 \
    "    y1 = H - above - (k - 1) / across * (TOP + TALL + UNDER) - TOP",                            \
    "    set lmargin at screen x0 / W",                                                              \
    "    set rmargin at screen (x0 + wide) / W",                                                     \
    "    set tmargin at screen y1 / H",                                                              \
    "    set bmargin at screen (y1 - TALL) / H",                                                     \
    "    one = SECOND[k] eq '-'    # a single line of title stands lower",                           \
    "    set label TITLE[k] at screen (x0 + wide / 2) / W, screen (y1 + (one ? 0.13 : 0.24)) / H \\", \
    "        center font ',8' textcolor rgb INK",                                                    \
    "    if (!one) {",                                                                               \
    "        set label SECOND[k] at screen (x0 + wide / 2) / W, screen (y1 + 0.1) / H \\",           \
    "            center font ',6.5' textcolor rgb MUTE",                                             \
    "    }",                                                                                         \
    "    if (XLABEL[k] ne '-') {",                                                                   \
    "        set label XLABEL[k] at screen (x0 + wide / 2) / W, screen (y1 - TALL - 0.31) / H \\",   \
    "            center font ',7' textcolor rgb INK",                                                \
    "    }",                                                                                         \
    "    if (YLABEL[k] ne '-') {",                                                                   \
    "        set label YLABEL[k] at screen (x0 - 0.42) / W, screen (y1 - TALL / 2) / H \\",          \
    "            center rotate by 90 font ',7' textcolor rgb INK",                                   \
    "    }",                                                                                         \
    "    unset logscale",                                                                            \
    "    if (XLOG[k]) { set logscale x }",                                                           \
    "    if (YLOG[k]) { set logscale y }",                                                           \
    "    set xrange [XLO[k]:XHI[k]]",                                                                \
    "    set yrange [YLO[k]:YHI[k]]",                                                                \
    "    set xtics ()",                                                                              \
    "    set ytics ()",                                                                              \
    "    do for [i = 1:ticks] {",                                                                    \
    "        if (TICK[i] == k && AXIS[i] == 1) { set xtics add (NUMBER[i] AT[i]) }",                 \
    "        if (TICK[i] == k && AXIS[i] == 2) { set ytics add (NUMBER[i] AT[i]) }",                 \
    "    }",                                                                                         \
    "    first = 0; last = 0       # bands of this panel; the band 0 is nowhere",                    \
    "    do for [i = 1:fills] {",                                                                    \
    "        if (BAND[i] == k) {",                                                                   \
    "            if (first == 0) { first = i - 1 }",                                                 \
    "            last = i - 1",                                                                      \
    "        }",                                                                                     \
    "    }",                                                                                         \
    "    in(panel, y) = panel == k ? y : AWAY",                                                      \
    "    plot for [b = first:last] DATA index 'bands' every :::b::b using 3:(in($1, $4)):6 \\",      \
    "            with filledcurves fc rgb COL[BLOOK[b+1]] fs transparent solid 0.16 noborder, \\",   \
    "        DATA index 'rules' using 3:(in($1, $4)):($5 - $3):($6 - $4) \\",                        \
    "            with vectors nohead dt (14, 9) lw 0.8 lc rgb MUTE, \\",                             \
    "        DATA index 'thin' using 3:(in($1, $4)):(rgb($2)) with lines lw 0.5 lc rgb variable, \\", \
    "        DATA index 'thick' using 3:(in($1, $4)):(rgb($2)) with lines lw 1.7 lc rgb variable, \\", \
    "        DATA index 'bars' using 3:(in($1, $4)):($5 - $3):($6 - $4):(0):(rgb($2)) \\",           \
    "            with vectors nohead lw 1.2 lc rgb variable, \\",                                    \
    "        DATA index 'seeds' using 3:(in($1, $4)):(FULL[$2] - 1):(rgb($2)) \\",                   \
    "            with points pt variable ps 0.6*MARK lw 0.7 lc rgb variable, \\",                    \
    "        DATA index 'means' using 3:(in($1, $4)):(FULL[$2] - $7):(rgb($2)) \\",                  \
    "            with points pt variable ps 1.1*MARK lc rgb variable, \\",                           \
    "        DATA index 'crosses' using 3:(in($1, $4)):(rgb($2)) \\",                                \
    "            with points pt 2 ps 1.2*MARK lw 1.6 lc rgb variable, \\",                           \
    "        DATA index 'names' using 3:($5 > 0 ? in($1, $4) : AWAY):(shown(strcol(6))) \\", \
    "            with labels left font ',6.5' textcolor rgb INK, \\", \
    "        DATA index 'names' using 3:($5 == 0 ? in($1, $4) : AWAY):(shown(strcol(6))) \\", \
    "            with labels center font ',6.5' textcolor rgb INK, \\", \
    "        DATA index 'names' using 3:($5 < 0 ? in($1, $4) : AWAY):(shown(strcol(6))) \\", \
    "            with labels right font ',6.5' textcolor rgb INK", \
    "    unset label",                                                                               \
    "}",                                                                                             \
    "unset multiplot"

#define PANELS(name, what)                                                                           \
    {"# " name ".gp -- " what ".",                                                                   \
     "# All that is drawn comes from " name ".dat, which each report writes again; this script is "  \
     "yours.",                                                                                       \
     "name = '" name "'",                                                                            \
     SHARED, NULL}

const char *const script_loss[] =
    PANELS("loss", "the training loss: a panel for each method, its seeds and their mean");
const char *const script_gradients[] =
    PANELS("gradients", "the norm of the gradient: a panel for each method, its seeds and their mean");
const char *const script_collapse[] =
    PANELS("collapse", "spread, rank and entropy of features while they are trained");
const char *const script_budget[] =
    PANELS("budget", "accuracy against the FLOPs, images and seconds of pretraining");
const char *const script_layers[] =
    PANELS("layers", "the best validation accuracy of a probe of each layer");
const char *const script_lowshot[] =
    PANELS("lowshot", "accuracy against the number of labelled images");
const char *const script_transfer[] =
    PANELS("transfer", "fine-tuned accuracy against that of a probe of frozen features");
const char *const script_zeroshot[] =
    PANELS("zeroshot", "zero-shot accuracy against that of a linear probe, a point for each class");
const char *const script_variants[] =
    PANELS("variants", "accuracy against one setting of a method");
/* clang-format on */
