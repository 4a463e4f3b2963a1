#include "core/options.h"
#include "core/options_internal.h"

#include <string.h>

/* libinih keeps at most 49 bytes of a section and of a name. */
enum { LONGEST_NAME = 49, LONGEST_LIST = 600 };

void options_init(struct option_set *set) {
    *set = (struct option_set){0};
}

void options_free(struct option_set *set) {
    arena_free(&set->arena);
    options_init(set);
}

static int defs_count(const struct option_def *defs) {
    int n = 0;
    while (defs[n].type != OPT_END)
        n++;
    return n;
}

int options_count(const struct option_set *set) {
    int n = 0;
    for (int s = 0; s < set->n; s++)
        n += defs_count(set->sections[s].defs);
    return n;
}

static struct option_place place_of(const struct option_section *section, int d) {
    const struct option_def *def = &section->defs[d];
    return (struct option_place){section, def, &section->origins[d], &section->places[d],
                                 (char *)section->values + def->offset};
}

struct option_place options_at(const struct option_set *set, int i) {
    for (int s = 0; s < set->n; s++) {
        int n = defs_count(set->sections[s].defs);
        if (i < n)
            return place_of(&set->sections[s], i);
        i -= n;
    }
    CHECK(0, "option number beyond the last one");
    return (struct option_place){0};
}

/* Is the `n` bytes long `text` this name, '-' and '_' being the same? */
static int same_name(const char *text, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!name[i] || (text[i] == '-' ? '_' : text[i]) != (name[i] == '-' ? '_' : name[i]))
            return 0;
    return name[n] == '\0';
}

int options_find(const struct option_set *set, const char *key, struct option_place *place) {
    const char *dot = strrchr(key, '.');
    size_t section_length = dot ? (size_t)(dot - key) : 0;
    const char *name = dot ? dot + 1 : key;
    for (int s = 0; s < set->n; s++) {
        const struct option_section *section = &set->sections[s];
        if (!same_name(key, section_length, section->name))
            continue;
        for (int d = 0; section->defs[d].type != OPT_END; d++) {
            if (same_name(name, strlen(name), section->defs[d].name)) {
                *place = place_of(section, d);
                return 1;
            }
        }
    }
    return 0;
}

char *option_key(const struct option_place *place, struct arena *a) {
    const char *section = place->section->name;
    return arena_printf(a, "%s%s%s", section, section[0] ? "." : "", place->def->name);
}

void options_add(struct option_set *set, const char *section, const char *title,
                 const struct option_def *defs, void *values) {
    CHECK(defs && values, "section \"%s\" has no options", section);
    int n = defs_count(defs);
    CHECK(strlen(section) <= LONGEST_NAME, "section name \"%s\" is too long", section);
    for (int d = 0; d < n; d++) {
        struct option_place other;
        char *key =
            arena_printf(&set->arena, "%s%s%s", section, section[0] ? "." : "", defs[d].name);
        CHECK(strlen(defs[d].name) <= LONGEST_NAME, "option name \"%s\" is too long", key);
        CHECK(!options_find(set, key, &other), "option \"%s\" exists twice", key);
        CHECK(defs[d].by_default, "option \"%s\" has no default", key);
        struct error err = {0};
        int status = option_value_parse(&defs[d], key, defs[d].by_default, &set->arena,
                                        (char *)values + defs[d].offset, &err);
        CHECK(!status, "default of %s", err.message);
    }
    struct option_section *sections = ARENA_ARRAY(&set->arena, struct option_section, set->n + 1);
    if (set->n)
        memcpy(sections, set->sections, sizeof *sections * (size_t)set->n);
    sections[set->n] = (struct option_section){section,
                                               title,
                                               defs,
                                               values,
                                               ARENA_ARRAY(&set->arena, enum option_origin, n + 1),
                                               ARENA_ARRAY(&set->arena, const char *, n + 1)};
    set->sections = sections;
    set->n++;
}

char *option_join(const char *const *names, int n, struct arena *a) {
    char *list = arena_alloc(a, LONGEST_LIST + sizeof ", ...");
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        if (used + length + 2 > LONGEST_LIST) {
            strcpy(list + used, ", ...");
            break;
        }
        used += (size_t)sprintf(list + used, "%s%s", used ? ", " : "", names[i]);
    }
    return list;
}

/* "batch_size" of batch, "dry" of dry_run: one is the other's first words or letters. */
static int begins(const char *a, const char *b) {
    enum { LETTERS = 3 }; /* fewer say little */
    const size_t n = strlen(a), m = strlen(b), shorter = n < m ? n : m;
    for (size_t i = 0; i < shorter; i++)
        if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
            return 0;
    return shorter >= LETTERS && n != m;
}

/* Of n names, all behind the same `skip` letters, the one that was meant, or NULL. */
static const char *meant_among(const char *const *names, int n, size_t skip, const char *name,
                               struct arena *a) {
    const char **tails = ARENA_ARRAY(a, const char *, n);
    for (int i = 0; i < n; i++)
        tails[i] = names[i] + skip;
    const char *nearest = nearest_name(name, tails, n);
    for (int i = 0; i < n && !nearest; i++)
        if (begins(name, tails[i]))
            nearest = tails[i];
    return nearest ? nearest - skip : NULL;
}

/* What it is called here, or NULL. */
static const char *from_abroad(const struct option_set *set, const char *key) {
    struct option_place place;
    for (const struct option_abroad *o = set->abroad; o && o->there; o++)
        if (same_name(key, strlen(key), o->there) && options_find(set, o->here, &place))
            return o->here;
    return NULL;
}

/* The name that was meant by a key that is none, or NULL; here (n_here): those of its section. */
static const char *meant(const char *const *keys, int n, const char *const *here, int n_here,
                         size_t section_length, const char *key, struct arena *a) {
    if (section_length && n_here)
        return meant_among(here, n_here, section_length + 1, key + section_length + 1, a);
    const char *nearest = nearest_name(key, keys, n);
    for (int i = 0; i < n && !nearest; i++) { /* the section was forgotten */
        const char *dot = strrchr(keys[i], '.');
        if (dot && same_name(key, strlen(key), dot + 1))
            nearest = keys[i];
    }
    return nearest || section_length ? nearest : meant_among(here, n_here, 0, key, a);
}

/* Once, and not "". */
static int add_name(const char **names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return n;
    if (name[0])
        names[n++] = name;
    return n;
}

/* Says what there is where the user looked: in the section that exists, else the sections. */
static int no_such_option(const struct option_set *set, const char *key, struct error *err) {
    struct arena a = {0};
    int n = options_count(set), n_here = 0, n_sections = 0;
    const char **keys = ARENA_ARRAY(&a, const char *, n);
    const char **here = ARENA_ARRAY(&a, const char *, n);
    const char **sections = ARENA_ARRAY(&a, const char *, set->n);
    const char *dot = strrchr(key, '.');
    size_t section_length = dot ? (size_t)(dot - key) : 0;
    for (int i = 0; i < n; i++) {
        struct option_place place = options_at(set, i);
        keys[i] = option_key(&place, &a);
        if (same_name(key, section_length, place.section->name))
            here[n_here++] = keys[i];
    }
    for (int s = 0; s < set->n; s++)
        n_sections = add_name(sections, n_sections, set->sections[s].name);
    const char *suggestion = from_abroad(set, key);
    if (!suggestion)
        suggestion = meant(keys, n, here, n_here, section_length, key, &a);
    char *hint = suggestion ? arena_printf(&a, "; did you mean \"%s\"?", suggestion) : ";";
    char *list = n_here ? arena_printf(&a, " valid here: %s", option_join(here, n_here, &a)) : "";
    char *more = !section_length || !n_here
                     ? arena_printf(&a, "%s sections: %s", n_here ? ";" : "",
                                    n_sections ? option_join(sections, n_sections, &a) : "none")
                     : "";
    error_set(err, STATUS_USAGE, "no option \"%.100s\"%s%s%s", key, hint, list, more);
    arena_free(&a);
    return err->status;
}

int options_assign(struct option_set *set, const char *key, const char *value,
                   enum option_origin origin, struct error *err) {
    struct option_place place;
    if (!options_find(set, key, &place))
        return no_such_option(set, key, err);
    /* A value that is overridden anyway must still be a valid one, so parse it aside first. */
    union option_value parsed;
    struct arena names = {0};
    int status =
        option_value_parse(place.def, option_key(&place, &names), value, &set->arena, &parsed, err);
    arena_free(&names);
    if (status)
        return status;
    if (origin < *place.origin)
        return 0;
    static const size_t size[] = {
        [OPT_INT] = sizeof(int),           [OPT_REAL] = sizeof(double),
        [OPT_BOOL] = sizeof(int),          [OPT_TEXT] = sizeof(const char *),
        [OPT_INTS] = sizeof(const char *), [OPT_REALS] = sizeof(const char *),
    };
    memcpy(place.value, &parsed, size[place.def->type]);
    *place.origin = origin;
    *place.place = NULL;
    return 0;
}

void options_reset(struct option_set *set, const char *key) {
    struct option_place place;
    struct error err;
    CHECK(options_find(set, key, &place), "there is no option %s", key);
    *place.origin = FROM_DEFAULT;
    CHECK(!options_assign(set, key, place.def->by_default, FROM_DEFAULT, &err), "%s", err.message);
}

int option_input(struct option_set *set, const char *key, const char *value,
                 enum option_origin origin, const char *from, struct error *err) {
    struct option_place place;
    int status = options_assign(set, key, value, origin, err);
    if (status || !options_find(set, key, &place))
        return status;
    if (from && *place.origin == origin)
        *place.place = arena_strdup(&set->arena, from);
    if (set->check)
        status = set->check(set, place.def, value, origin, err);
    return status;
}

int option_section_exists(const struct option_set *set, const char *section, struct error *err) {
    struct arena a = {0};
    const char **names = ARENA_ARRAY(&a, const char *, set->n);
    int n = 0, found = 0;
    for (int s = 0; s < set->n; s++) {
        found |= same_name(section, strlen(section), set->sections[s].name);
        n = add_name(names, n, set->sections[s].name);
    }
    if (!found) {
        const char *near = nearest_name(section, names, n);
        error_set(err, STATUS_USAGE, "no section \"[%.100s]\"%s%s%s sections: %s", section,
                  near ? "; did you mean \"[" : ";", near ? near : "", near ? "]\"?" : "",
                  option_join(names, n, &a));
    }
    arena_free(&a);
    return found ? 0 : err->status;
}

enum option_origin options_origin(const struct option_set *set, const char *key) {
    struct option_place place;
    int found = options_find(set, key, &place);
    CHECK(found, "there is no option %s", key);
    return *place.origin;
}

const char *options_place(const struct option_set *set, const char *key) {
    struct option_place place;
    int found = options_find(set, key, &place);
    CHECK(found, "there is no option %s", key);
    return *place.place;
}
