#include "results/setting.h"

#include <string.h>

struct setting *settings_of_text(const char *config, struct arena *a, int *n) {
    char *copy = arena_strdup(a, config ? config : ""), *rest = NULL;
    const char *section = "";
    struct setting *list = ARENA_ARRAY(a, struct setting, strlen(copy) / 2 + 1);
    *n = 0;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strstr(line, " =");
        if (*line == '[') {
            line[strcspn(line, "]")] = '\0';
            section = line + 1;
        } else if (equals) {
            *equals = '\0';
            const char *value = equals[2] ? equals + 3 : "";
            list[(*n)++] =
                (struct setting){*section ? arena_printf(a, "%s.%s", section, line) : line, value};
        }
    }
    return list;
}

const char *setting_value(const struct setting *list, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].key, key))
            return list[i].value;
    return NULL;
}
