/* options_internal.h -- what the files of options share; nobody else includes it. */
#ifndef SSV_CORE_OPTIONS_INTERNAL_H
#define SSV_CORE_OPTIONS_INTERNAL_H

#include "core/options.h"

/* One option of the set. */
struct option_place {
    const struct option_section *section;
    const struct option_def *def;
    enum option_origin *origin;
    const char **place;
    void *value;
};

/* The value of an option of any type. */
union option_value {
    int whole; /* and true or false */
    double real;
    const char *text;
};

/* Number of options in the set, and the i-th of them in table order. */
int options_count(const struct option_set *set);
struct option_place options_at(const struct option_set *set, int i);
/* 1 when "section.name" or "name" is an option; '-' and '_' are the same. */
int options_find(const struct option_set *set, const char *key, struct option_place *place);
/* "section.name", or "name" in the section "". */
char *option_key(const struct option_place *place, struct arena *a);

/* options_assign of what a user wrote, checked; place: where in a file, or NULL. */
int option_input(struct option_set *set, const char *key, const char *value,
                 enum option_origin origin, const char *place, struct error *err);
/* Status 2 when no section has this name. */
int option_section_exists(const struct option_set *set, const char *section, struct error *err);

/* options_value.c: text to value and back, as a user writes it on the command line.  `key` names
 * the option in messages. */
int option_value_parse(const struct option_def *def, const char *key, const char *text,
                       struct arena *a, void *value, struct error *err);
char *option_value_text(const struct option_def *def, const void *value, struct arena *a);
/* In a file a value is one line without blanks at its ends and without " ;", so these are written
 * with a backslash: \\ \; \# \n \r \t \s (a blank) \xHH.  Decoding gives status 2 for others. */
char *option_escape(const char *text, struct arena *a);
int option_unescape(const char *text, struct arena *a, char **out, struct error *err);

/* "a, b, c" of n names, cut with "..." when it gets too long for a message. */
char *option_join(const char *const *names, int n, struct arena *a);

#endif
