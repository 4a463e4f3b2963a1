/* The command line and the environment. */
#include "core/log.h"
#include "core/options_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_PREFIX "SSVBENCH_"

extern char **environ;

/* SSVBENCH_MAE_MASK_RATIO of mae.mask_ratio */
static char *variable_of(const char *key, struct arena *a) {
    char *name = arena_printf(a, ENVIRONMENT_PREFIX "%s", key);
    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    return name;
}

static char *environment_name(const struct option_place *place, struct arena *a) {
    return variable_of(option_key(place, a), a);
}

/* The variables of all sets and tables, in *names; returns their number. */
static int list_variables(const struct option_set *const *sets,
                          const struct option_def *const *tables, struct arena *a,
                          const char ***names) {
    int n = 0, room = 0;
    for (int s = 0; sets[s]; s++)
        room += options_count(sets[s]);
    for (int t = 0; tables[t]; t++)
        for (int d = 0; tables[t][d].name; d++)
            room++;
    *names = ARENA_ARRAY(a, const char *, room);
    for (int s = 0; sets[s]; s++)
        for (int i = 0; i < options_count(sets[s]); i++) {
            struct option_place place = options_at((struct option_set *)sets[s], i);
            (*names)[n++] = environment_name(&place, a);
        }
    for (int t = 0; tables[t]; t++)
        for (int d = 0; tables[t][d].name; d++)
            (*names)[n++] = variable_of(tables[t][d].name, a);
    return n;
}

void options_doubt_environment(const struct option_set *const *sets,
                               const struct option_def *const *tables) {
    struct arena a = {0};
    const size_t prefix = strlen(ENVIRONMENT_PREFIX);
    const char **names;
    const int n = list_variables(sets, tables, &a, &names);
    const char **tails = ARENA_ARRAY(&a, const char *, n);
    for (int i = 0; i < n; i++)
        tails[i] = names[i] + prefix;
    for (char **variable = environ; variable && *variable; variable++) {
        if (strncmp(*variable, ENVIRONMENT_PREFIX, prefix) != 0)
            continue;
        char *name = arena_strdup(&a, *variable);
        name[strcspn(name, "=")] = '\0';
        int known = 0;
        for (int i = 0; i < n && !known; i++)
            known = !strcmp(name, names[i]);
        const char *nearest = known ? NULL : nearest_name(name + prefix, tails, n);
        if (nearest)
            log_message(LOG_WARN, "%s is not an option; did you mean " ENVIRONMENT_PREFIX "%s?",
                        name, nearest);
    }
    arena_free(&a);
}

int options_load_environment(struct option_set *set, struct error *err) {
    struct arena a = {0};
    int n = options_count(set), status = 0;
    const char **names = ARENA_ARRAY(&a, const char *, n);
    for (int i = 0; i < n; i++) {
        struct option_place place = options_at(set, i);
        names[i] = environment_name(&place, &a);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0, "two options are called %s", names[i]);
        const char *value = getenv(names[i]);
        if (!value)
            continue;
        status = option_input(set, option_key(&place, &a), value, FROM_ENVIRONMENT, NULL, err);
        if (status) {
            error_prefix(err, "%s", names[i]);
            goto out;
        }
    }
out:
    arena_free(&a);
    return status;
}

/* One flag: "--key", "--key=value" or "--key" "next". */
struct flag {
    const char *key;
    const char *value; /* after the '=', or NULL */
    const char *next;  /* the argument behind the flag, or NULL */
    int took_next;
};

/* The value of a flag that must have one. */
static int flag_value(struct flag *flag, const char *allowed, const char **value,
                      struct error *err) {
    if (flag->value) {
        *value = flag->value;
        return 0;
    }
    if (!flag->next || !strncmp(flag->next, "--", 2))
        return error_set(err, STATUS_USAGE, "--%s needs a value%s%s%s: --%s=VALUE", flag->key,
                         allowed[0] ? " (" : "", allowed, allowed[0] ? ")" : "", flag->key);
    flag->took_next = 1;
    *value = flag->next;
    return 0;
}

static int assign_set(struct option_set *set, struct flag *flag, struct arena *a,
                      struct error *err) {
    const char *assignment = "";
    int status = flag_value(flag, "NAME=VALUE", &assignment, err);
    if (status)
        return status;
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return error_set(err, STATUS_USAGE, "--set %.100s: expected NAME=VALUE", assignment);
    char *key = arena_strdup(a, assignment);
    key[equals - assignment] = '\0';
    return option_input(set, key, equals + 1, FROM_FLAG, NULL, err);
}

static int assign_no(struct option_set *set, const struct flag *flag,
                     const struct option_place *place, struct error *err) {
    if (place->def->type != OPT_BOOL)
        return error_set(err, STATUS_USAGE, "--%s: %s is not a true/false option", flag->key,
                         flag->key + strlen("no-"));
    if (flag->value)
        return error_set(err, STATUS_USAGE, "--%s takes no value", flag->key);
    return option_input(set, flag->key + strlen("no-"), "false", FROM_FLAG, NULL, err);
}

static int assign_flag(struct option_set *set, struct flag *flag, struct arena *a,
                       struct error *err) {
    struct option_place place;
    const char *value = "";
    if (!strcmp(flag->key, "set"))
        return assign_set(set, flag, a, err);
    if (!strcmp(flag->key, "config")) {
        int status = flag_value(flag, "FILE", &value, err);
        return status ? status : options_load(set, value, FROM_FILE, err);
    }
    if (options_find(set, flag->key, &place)) {
        if (place.def->type == OPT_BOOL && !flag->value)
            return option_input(set, flag->key, "true", FROM_FLAG, NULL, err);
        int status = flag_value(flag, option_allowed(place.def, a), &value, err);
        if (status)
            return status;
    } else if ((!strncmp(flag->key, "no-", 3) || !strncmp(flag->key, "no_", 3)) &&
               options_find(set, flag->key + strlen("no-"), &place)) {
        return assign_no(set, flag, &place, err);
    }
    return option_input(set, flag->key, value, FROM_FLAG, NULL, err);
}

static int is_callers(const char *argument) {
    static const char *const flags[] = {"--help", "--version", "--print-config", "--print_config"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (!strcmp(argument, flags[i]))
            return 1;
    return 0;
}

int options_parse(struct option_set *set, int *argc, char **argv, struct error *err) {
    struct arena a = {0};
    int kept = *argc > 0, flags_ended = 0, status = 0;
    for (int i = 1; i < *argc; i++) {
        char *argument = argv[i];
        if (!flags_ended && !strcmp(argument, "--")) {
            flags_ended = 1;
            continue;
        }
        if (!flags_ended && argument[0] == '-' && argument[1] && argument[1] != '-')
            TRY(error_set(err, STATUS_USAGE,
                          "\"%.100s\": flags begin with two dashes here; behind \"--\" words are "
                          "taken as they are",
                          argument));
        if (flags_ended || strncmp(argument, "--", 2) != 0 || is_callers(argument)) {
            argv[kept++] = argument;
            continue;
        }
        char *key = arena_strdup(&a, argument + 2), *equals = strchr(key, '=');
        if (equals)
            *equals = '\0';
        struct flag flag = {key, equals ? equals + 1 : NULL, i + 1 < *argc ? argv[i + 1] : NULL, 0};
        TRY(assign_flag(set, &flag, &a, err));
        i += flag.took_next;
    }
    if (kept < *argc)
        argv[kept] = NULL;
    *argc = kept;
out:
    arena_free(&a);
    return status;
}
