#include "data/labels.h"

#include "data/intern.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 1 << 17 };

static int is_number(const char *text) {
    return text[0] && !text[strspn(text, "0123456789")];
}

/* Of digits; MOST_CLASSES where it is that or more. */
static int number_of(const char *text) {
    int value = 0;
    for (; *text && value < MOST_CLASSES; text++)
        value = 10 * value + *text - '0';
    return value < MOST_CLASSES ? value : MOST_CLASSES;
}

static int take_numbers(struct dataset *d, const char *const *labels, long n, int *numbers,
                        long *wrong, struct error *err) {
    int highest = 0;
    for (long i = 0; i < n; i++) {
        numbers[i] = number_of(labels[i]);
        highest = numbers[i] > highest ? numbers[i] : highest;
        *wrong = i;
        if (numbers[i] == MOST_CLASSES)
            return error_set(err, STATUS_USAGE, "the label %s is more than this program takes, %d",
                             labels[i], MOST_CLASSES - 1);
    }
    const char **names = ARENA_ARRAY(&d->arena, const char *, highest + 1);
    for (int i = 0; i <= highest; i++)
        names[i] = arena_printf(&d->arena, "%d", i);
    d->classes = highest + 1;
    d->class_names = names;
    return 0;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int take_names(struct dataset *d, const char *const *labels, long n, int *numbers,
                      long *wrong, struct error *err) {
    struct arena scratch = {0};
    struct intern found = {.arena = &scratch};
    int status = 0;
    for (long i = 0; i < n && !status; i++) {
        numbers[i] = intern_add(&found, labels[i], strlen(labels[i]));
        *wrong = i;
        if (found.n > MOST_CLASSES)
            status = error_set(err, STATUS_USAGE, "more than %d classes", MOST_CLASSES);
    }
    const char **names = ARENA_ARRAY(&d->arena, const char *, found.n);
    int *place = ARENA_ARRAY(&scratch, int, found.n);
    for (int i = 0; i < found.n; i++)
        names[i] = arena_strdup(&d->arena, found.entries[i].bytes);
    qsort(names, (size_t)found.n, sizeof *names, by_bytes);
    for (int i = 0; i < found.n; i++)
        place[intern_find(&found, names[i], strlen(names[i]))] = i;
    for (long i = 0; i < n && !status; i++)
        numbers[i] = place[numbers[i]];
    d->classes = found.n;
    d->class_names = names;
    arena_free(&scratch);
    return status;
}

int labels_number(struct dataset *d, const char *const *labels, long n, int *numbers, long *wrong,
                  struct error *err) {
    long are_numbers = 0;
    while (are_numbers < n && is_number(labels[are_numbers]))
        are_numbers++;
    int status = are_numbers == n ? take_numbers(d, labels, n, numbers, wrong, err)
                                  : take_names(d, labels, n, numbers, wrong, err);
    if (status || d->classes > 1)
        return status;
    d->classes = 0;
    for (long i = 0; i < n; i++)
        numbers[i] = -1;
    return 0;
}
