/* options.h -- one table per set of options drives flags, config files, the environment, --help
 * and the configuration stored with the results.
 *
 *     struct mae { double mask_ratio; int decoder_depth; };
 *     static const struct option_def mae_options[] = {
 *         OPTION_REAL(struct mae, mask_ratio, 0.75, 0, 0.99, "share of patches hidden"),
 *         OPTION_INT(struct mae, decoder_depth, 2, 1, 64, "transformer blocks in the decoder"),
 *         OPTION_END};
 *
 * A value is named section.name ("mae.mask_ratio"); the section "" holds the general options
 * ("seed").  On the command line: --seed 3, --mae.mask_ratio=0.6, or --set mae.mask_ratio=0.6; '-'
 * and '_' are the same in a name.  In a file (INI): [mae] / mask_ratio = 0.6.  In the environment:
 * SSVBENCH_MAE_MASK_RATIO.  Precedence: flag > environment > file > suite > default,
 * where a suite is a file that a command loads by itself.
 */
#ifndef SSV_CORE_OPTIONS_H
#define SSV_CORE_OPTIONS_H

#include "core/arena.h"
#include "core/error.h"

#include <stddef.h>
#include <stdio.h>

enum option_type { OPT_END, OPT_INT, OPT_REAL, OPT_BOOL, OPT_TEXT, OPT_INTS, OPT_REALS };
enum option_origin { FROM_DEFAULT, FROM_SUITE, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct option_def {
    const char *name; /* lower case, words joined by '_' */
    enum option_type type;
    size_t offset; /* of an int, double, bool (int) or, for texts and lists, const char * in the
                    * struct of values */
    const char *by_default; /* as a user would write it */
    double min, max;        /* of a number, or of each in a list: both ends allowed */
    const char *choices;    /* OPT_TEXT: "a|b|c", or NULL for any text */
    const char *help;       /* one line, no full stop */
};

#define OPTION_TEXTUAL(x) #x
#define OPTION_INT(S, field, value, lo, hi, help_)                                                 \
    { #field, OPT_INT, offsetof(S, field), OPTION_TEXTUAL(value), lo, hi, NULL, help_ }
#define OPTION_REAL(S, field, value, lo, hi, help_)                                                \
    { #field, OPT_REAL, offsetof(S, field), OPTION_TEXTUAL(value), lo, hi, NULL, help_ }
#define OPTION_BOOL(S, field, value, help_)                                                        \
    { #field, OPT_BOOL, offsetof(S, field), OPTION_TEXTUAL(value), 0, 1, NULL, help_ }
#define OPTION_TEXT(S, field, value, choices_, help_)                                              \
    { #field, OPT_TEXT, offsetof(S, field), value, 0, 0, choices_, help_ }
/* A list of different numbers, by blanks or commas; its value is a text for options_numbers. */
#define OPTION_INTS(S, field, value, lo, hi, help_)                                                \
    { #field, OPT_INTS, offsetof(S, field), value, lo, hi, NULL, help_ }
#define OPTION_REALS(S, field, value, lo, hi, help_)                                               \
    { #field, OPT_REALS, offsetof(S, field), value, lo, hi, NULL, help_ }
#define OPTION_END                                                                                 \
    { NULL, OPT_END, 0, NULL, 0, 0, NULL, NULL }

struct option_section {
    const char *name; /* "" for the general options */
    const char *title;
    const struct option_def *defs;
    void *values;                /* the struct of values, owned by the caller */
    enum option_origin *origins; /* one per def, owned by the set */
    const char **places;         /* "FILE:LINE" of a value that comes from one, else NULL */
};

/* What an option is called in other programs; suggested, never taken. */
struct option_abroad {
    const char *there, *here; /* a NULL ends a list */
};

/* Everything that can be set in this program, in the order it is shown and stored. */
struct option_set {
    struct arena arena; /* owns every text value */
    struct option_section *sections;
    int n;
    /* What a table cannot say of a value that a user wrote (in a file, a flag, the environment; not
     * in the text of a stored run): called when it has been taken.  NULL: nothing. */
    int (*check)(const struct option_set *set, const struct option_def *def, const char *value,
                 enum option_origin origin, struct error *err);
    const struct option_abroad *abroad; /* or NULL */
};

void options_init(struct option_set *set);
void options_add(struct option_set *set, const char *section, const char *title,
                 const struct option_def *defs, void *values); /* values get their defaults */
void options_free(struct option_set *set);

/* Sets "section.name" or "name", unless it already has a value from a higher origin.  Status 2,
 * with the nearest match and the valid names or the range or the choices, when there is no such
 * option or the value is wrong. */
int options_assign(struct option_set *set, const char *key, const char *value,
                   enum option_origin origin, struct error *err);
/* An option of the program's own back to what it is when nobody says anything. */
void options_reset(struct option_set *set, const char *key);
/* An INI file; messages carry file and line.  Values from a higher origin stay.  An unknown
 * section, even an empty one, and a name that is set twice are errors. Comments start with ';' or
 * '#' at the start of a line and with ';' behind a blank; in a value
 * \\ \; \# \n \r \t \s \xHH stand for bytes that could not be written otherwise. */
int options_load(struct option_set *set, const char *path, enum option_origin origin,
                 struct error *err);
/* The same from text: the configuration stored with a run or in a checkpoint. */
int options_load_text(struct option_set *set, const char *text, const char *whence,
                      struct error *err);
int options_load_environment(struct option_set *set, struct error *err);
/* Warns of variables that are called almost like one of an option in these sets and tables, and
 * like none of them.  NULL-terminated; no more than a warning, since other programs of the family
 * may know them. */
void options_doubt_environment(const struct option_set *const *sets,
                               const struct option_def *const *tables);
/* Takes every --flag out of argv: what is left, argv[1..*argc-1], are the positional arguments
 * (argv[0] stays).  "--" ends the flags.  --config FILE loads a file; --help, --version and
 * --print-config are the caller's: their flags are left in argv as positional arguments are.  After
 * an error argc and argv are unspecified. */
int options_parse(struct option_set *set, int *argc, char **argv, struct error *err);

/* The numbers of a list's value into out (OPTION_LIST); returns how many, one at least. */
enum { OPTION_LIST = 32 };
int options_numbers(const char *value, double *out);

/* Where the value of an option, "section.name", comes from. */
enum option_origin options_origin(const struct option_set *set, const char *key);
/* "FILE:LINE" where it was read from one, else NULL. */
const char *options_place(const struct option_set *set, const char *key);

/* The canonical INI text of all values, in table order, owned by `a`: equal text, equal run. */
char *options_text(const struct option_set *set, struct arena *a);
void options_print_help(const struct option_set *set, FILE *out);
void options_print_config(const struct option_set *set, FILE *out); /* with each value's origin */

/* Of one option, for --help and the manual.  What its value is called: "INT", "LIST", "" of a
 * bool. */
const char *option_kind(const struct option_def *def);
/* "0 to 0.99", "at least 0", "a|b|c", or "" when anything goes. */
char *option_allowed(const struct option_def *def, struct arena *a);
/* As it is shown elsewhere: "true" of a bool that is declared with 1, "none" of an empty text. */
char *option_default(const struct option_def *def, struct arena *a);

/* Nearest of n names by edit distance, or NULL when none is close. */
const char *nearest_name(const char *name, const char *const *names, int n);

#endif
