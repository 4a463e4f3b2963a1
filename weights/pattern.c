/* pattern.c -- names with stars. */
#include "weights/family.h"

#include <stdio.h>
#include <string.h>

static int match(const char *pattern, const char *text, char star[PATTERN_STARS][PATTERN_STAR],
                 int n) {
    size_t plain = strcspn(pattern, "*");
    if (strncmp(pattern, text, plain) != 0)
        return 0;
    if (!pattern[plain])
        return text[plain] == '\0';
    CHECK(n < PATTERN_STARS, "%s: more than %d stars", pattern, PATTERN_STARS);
    text += plain;
    for (size_t i = 0; i < PATTERN_STAR; i++) {
        if (match(pattern + plain + 1, text + i, star, n + 1)) {
            snprintf(star[n], PATTERN_STAR, "%.*s", (int)i, text);
            return 1;
        }
        if (!text[i])
            return 0;
    }
    return 0;
}

int pattern_match(const char *pattern, const char *text, char star[PATTERN_STARS][PATTERN_STAR]) {
    return match(pattern, text, star, 0);
}

void pattern_fill(const char *pattern, char star[PATTERN_STARS][PATTERN_STAR], char *out,
                  size_t room) {
    size_t at = 0;
    int n = 0;
    out[0] = '\0';
    for (const char *p = pattern; *p && at < room; p++)
        if (*p == '*')
            at += (size_t)snprintf(out + at, room - at, "%s", star[n++]);
        else
            at += (size_t)snprintf(out + at, room - at, "%c", *p);
    CHECK(at < room, "%s: too long a name", pattern);
}
