/* help.h -- the manual page and the completion of shells, made from the tables that the program
 * works by: commands, options, methods, protocols, datasets, backbones, suites. */
#ifndef SSV_BENCH_HELP_H
#define SSV_BENCH_HELP_H

#include "bench/command.h"

/* What main returns; ends with one without a text. */
struct exit_code {
    int code;
    const char *text;
};
extern const struct exit_code exit_codes[];

/* ssvbench(1) in roff's man macros.  settings: the options of a run. */
void help_man(const struct settings *settings, FILE *out);
/* bash, zsh or fish; status 2 for another. */
int help_completion(const char *shell, const struct settings *settings, FILE *out,
                    struct error *err);

#endif
