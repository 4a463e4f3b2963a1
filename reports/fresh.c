/* Which images need not be drawn again.  Modification times do not tell: a script may be put back
 * from a copy, an image may be replaced.  So FOLDER/.rendered has a line for each image that was
 * drawn: the SHA-256 of what it was drawn from, that of the image, its name. */
#include "reports/figures_internal.h"

#include "core/file.h"
#include "core/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEX = 64 };

struct fresh_image {
    char from[HEX + 1], image[HEX + 1];
    const char *file;
    int kept; /* as the file said, or drawn since */
};

static int hash_file(const char *path, char hex[HEX + 1]) {
    struct arena a = {0};
    struct error err;
    char *data;
    size_t bytes;
    int there = file_exists(path) && !file_read(path, &a, &data, &bytes, &err) && bytes > 0;
    if (there)
        sha256_hex(data, bytes, hex);
    arena_free(&a);
    return there;
}

/* Of the look, the script and the data of a figure; 0: not all of them are there. */
static int hash_sources(const struct fresh *f, const char *name, char hex[HEX + 1]) {
    struct arena a = {0};
    char all[3 * HEX + 1];
    const char *const paths[] = {arena_printf(&a, "%s/style.gp", f->folder),
                                 arena_printf(&a, "%s/%s.gp", f->folder, name),
                                 arena_printf(&a, "%s/%s.dat", f->folder, name)};
    int there = 1;
    for (int i = 0; i < 3 && there; i++)
        there = hash_file(paths[i], all + (size_t)i * HEX);
    if (there)
        sha256_hex(all, 3 * HEX, hex);
    arena_free(&a);
    return there;
}

static struct fresh_image *find(const struct fresh *f, const char *file) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->image[i].file, file))
            return &f->image[i];
    return NULL;
}

static struct fresh_image *add(struct fresh *f, const char *file) {
    struct fresh_image *old = find(f, file);
    if (old)
        return old;
    if (f->n == f->room) {
        f->room = 2 * f->room + 16;
        struct fresh_image *more = ARENA_ARRAY(&f->arena, struct fresh_image, f->room);
        if (f->n)
            memcpy(more, f->image, sizeof *more * (size_t)f->n);
        f->image = more;
    }
    f->image[f->n].file = arena_strdup(&f->arena, file);
    return &f->image[f->n++];
}

static const char *list_path(struct fresh *f) {
    return arena_printf(&f->arena, "%s/.rendered", f->folder);
}

void fresh_open(struct fresh *f, const char *folder) {
    char *text, *rest = NULL, from[HEX + 1], image[HEX + 1], file[128];
    size_t bytes;
    struct error err;
    *f = (struct fresh){.folder = folder};
    const char *path = list_path(f);
    if (!file_exists(path) || file_read(path, &f->arena, &text, &bytes, &err))
        return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "%64[0-9a-f] %64[0-9a-f] %127[^\n]", from, image, file) != 3)
            continue;
        struct fresh_image *i = add(f, file);
        memcpy(i->from, from, sizeof from);
        memcpy(i->image, image, sizeof image);
        i->kept = 1;
    }
}

int fresh_is(const struct fresh *f, const char *name, const char *format) {
    struct arena a = {0};
    char from[HEX + 1], image[HEX + 1];
    const char *file = arena_printf(&a, "%s.%s", name, format);
    const struct fresh_image *i = find(f, file);
    int is = i && i->kept && hash_sources(f, name, from) && !strcmp(from, i->from) &&
             hash_file(arena_printf(&a, "%s/%s", f->folder, file), image) &&
             !strcmp(image, i->image);
    arena_free(&a);
    return is;
}

void fresh_add(struct fresh *f, const char *name, const char *format) {
    const char *file = arena_printf(&f->arena, "%s.%s", name, format);
    struct fresh_image *i = add(f, file);
    i->kept = hash_sources(f, name, i->from) &&
              hash_file(arena_printf(&f->arena, "%s/%s", f->folder, file), i->image);
}

int fresh_close(struct fresh *f, struct error *err) {
    char *text = NULL;
    size_t bytes = 0;
    int status = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return error_set(err, STATUS_MACHINE, "no memory for the list of figures");
    for (int i = 0; i < f->n; i++)
        if (f->image[i].kept)
            fprintf(out, "%s %s %s\n", f->image[i].from, f->image[i].image, f->image[i].file);
    if (fclose(out))
        status = error_set(err, STATUS_MACHINE, "no memory for the list of figures");
    else
        status = file_write_atomic(list_path(f), text, bytes, err);
    free(text);
    arena_free(&f->arena);
    return status;
}
