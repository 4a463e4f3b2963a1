/* settings_flags.c -- which of all options a command takes. */
#include "protocols/protocol.h"
#include "protocols/settings.h"

#include <stdio.h>
#include <string.h>

int settings_named(const char *list, const char *key) {
    const size_t n = strlen(key);
    for (const char *s = list; *s; s += strspn(s, " ")) {
        const size_t length = strcspn(s, " ");
        const int section = length > 1 && s[length - 1] == '.';
        if ((length == n || (section && length < n)) && !strncmp(s, key, length))
            return 1;
        s += length;
    }
    return 0;
}

static int is_judging(const struct settings *s, const struct option_section *section) {
    int is = section->values == &s->judging;
    for (int i = 0; protocols[i]; i++)
        is |= section->values == s->protocol[i];
    return is;
}

static int is_of_run(const struct settings *s, const struct option_section *section,
                     int protocols_too) {
    int is = section->values == &s->plan || (protocols_too && is_judging(s, section));
    for (int i = 0; methods[i]; i++)
        is |= methods[i]->options && section->values == s->method[i];
    return is;
}

static char *key_of(const struct option_section *section, int d, struct arena *a) {
    return arena_printf(a, "%s%s%s", section->name, *section->name ? "." : "",
                        section->defs[d].name);
}

const char *settings_flag_of_run(const struct settings *s, int protocols_too, const char *but,
                                 struct arena *a) {
    for (int i = 0; i < s->options.n; i++) {
        const struct option_section *section = &s->options.sections[i];
        const int is = is_of_run(s, section, protocols_too);
        for (int d = 0; is && section->defs[d].type != OPT_END; d++)
            if (section->origins[d] == FROM_FLAG && !settings_named(but, key_of(section, d, a)))
                return key_of(section, d, a);
    }
    return NULL;
}

void settings_forget_run(struct settings *s, const char *but) {
    struct arena a = {0};
    for (int i = 0; i < s->options.n; i++) {
        const struct option_section *section = &s->options.sections[i];
        for (int d = 0; is_of_run(s, section, 0) && section->defs[d].type != OPT_END; d++) {
            const char *key = key_of(section, d, &a);
            if (!settings_named(but, key))
                options_reset(&s->options, key);
        }
    }
    arena_free(&a);
}

/* Whether the d-th option of a section means something to who takes these. */
static int is_taken(const struct settings *s, const struct option_section *section, int d,
                    const struct settings_taken *taken) {
    if (section->values == &s->machine)
        return !taken->machine || settings_named(taken->machine, section->defs[d].name);
    if (is_judging(s, section))
        return taken->judging;
    return taken->run || !is_of_run(s, section, 0);
}

const char *settings_flag_idle(const struct settings *s, const struct settings_taken *taken,
                               struct arena *a) {
    for (int i = 0; i < s->options.n; i++) {
        const struct option_section *section = &s->options.sections[i];
        for (int d = 0; section->defs[d].type != OPT_END; d++)
            if (section->origins[d] == FROM_FLAG && !is_taken(s, section, d, taken))
                return key_of(section, d, a);
    }
    return NULL;
}

struct option_set settings_taken(const struct settings *s, const struct settings_taken *taken,
                                 struct arena *a) {
    struct option_set part = s->options;
    part.sections = ARENA_ARRAY(a, struct option_section, s->options.n);
    part.n = 0;
    for (int i = 0; i < s->options.n; i++) {
        struct option_section section = s->options.sections[i];
        int n = 0, kept = 0;
        while (section.defs[n].type != OPT_END)
            n++;
        struct option_def *defs = ARENA_ARRAY(a, struct option_def, n + 1);
        for (int d = 0; d < n; d++)
            if (is_taken(s, &section, d, taken))
                defs[kept++] = section.defs[d];
        defs[kept] = section.defs[n];
        section.defs = defs;
        if (kept)
            part.sections[part.n++] = section;
    }
    return part;
}
