/* webdataset_index.c -- where the members of a tar file are, by libarchive.
 *
 * Of a plain tar file the offsets of the images are noted and nothing of them is read; the images
 * of a compressed one are unpacked into memory.
 */
#include "data/intern.h"
#include "data/photos.h"
#include "data/webdataset_internal.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 1 << 16, MOST_TEXT = 1 << 20 };

struct indexer {
    struct samples *samples;
    struct shard *shard;
    int number;
    struct archive *archive;
    int is_plain;
    struct arena scratch;
    struct intern keys;
    long first; /* sample of this shard */
    struct error *err;
};

static int broken(const struct indexer *x) {
    const int code = archive_errno(x->archive);
    long long at = archive_filter_bytes(x->archive, 0); /* -1: it was never opened */
    const char *reason = at < 0 && code > 0 ? strerror(code) : archive_error_string(x->archive);
    const char *where = "";
    struct arena scratch = {0};
    if (at >= 0)
        where = arena_printf(&scratch, "offset %lld%s: ", at,
                             x->is_plain ? "" : " of the unpacked bytes");
    int status = error_set(x->err, code == ENOMEM ? STATUS_MACHINE : STATUS_USAGE,
                           "%s: %scannot read this archive: %s", x->shard->path, where,
                           reason ? reason : "no reason");
    arena_free(&scratch);
    return status;
}

/* "a/b.c/0001.seg.PNG" is the key "a/b.c/0001" and the ending "seg.png".  0: the name has no such
 * parts. */
static int split_name(const char *name, struct arena *a, size_t *key, char **ending) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    const char *dot = strchr(base, '.');
    if (!dot || dot == base || !dot[1])
        return 0;
    *key = (size_t)(dot - name);
    *ending = arena_strdup(a, dot + 1);
    for (char *c = *ending; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return 1;
}

static struct sample *sample_of(struct indexer *x, const char *key, size_t n) {
    struct samples *s = x->samples;
    long at = x->first + intern_add(&x->keys, key, n);
    if (at == s->room) {
        s->room = 2 * s->room + 256;
        struct sample *more = ARENA_ARRAY(s->arena, struct sample, s->room);
        if (s->n)
            memcpy(more, s->all, (size_t)s->n * sizeof *more);
        s->all = more;
    }
    if (at == s->n) {
        s->all[s->n++] =
            (struct sample){.shard = x->number, .key = arena_printf(s->arena, "%.*s", (int)n, key)};
    }
    return &s->all[at];
}

static int read_member(struct indexer *x, char *out, size_t n) {
    la_ssize_t got = archive_read_data(x->archive, out, n);
    if (got == (la_ssize_t)n)
        return 0;
    return got < 0
               ? broken(x)
               : error_set(x->err, STATUS_USAGE, "%s: a member of %zu bytes expected, found %ld",
                           x->shard->path, n, (long)got);
}

static int take_image(struct indexer *x, struct sample *s, const char *ending, size_t bytes) {
    struct samples *all = x->samples;
    s->image = arena_strdup(all->arena, ending);
    s->at = (uint64_t)archive_filter_bytes(x->archive, 0);
    s->bytes = bytes;
    if (x->is_plain && (bytes > x->shard->size || s->at > x->shard->size - bytes))
        return error_set(x->err, STATUS_USAGE,
                         "%s: offset %llu: an image of %zu bytes expected, found the end of the "
                         "file",
                         x->shard->path, (unsigned long long)s->at, bytes);
    if (x->is_plain)
        return 0;
    if (bytes > all->most - all->held)
        return error_set(x->err, STATUS_USAGE,
                         "%s: the images of compressed shards are unpacked into memory, and those "
                         "up to here have more than cache=%zu MiB: unpack the shards, or give more",
                         x->shard->path, all->most >> 20);
    char *data = arena_alloc(all->arena, bytes + 1);
    all->held += bytes;
    s->data = (const uint8_t *)data;
    return read_member(x, data, bytes);
}

static int take_text(struct indexer *x, struct sample *s, const char *kind, size_t bytes) {
    if (bytes > MOST_TEXT)
        return error_set(x->err, STATUS_USAGE, "%s: %s.%s: a text of %zu bytes is more than %d",
                         x->shard->path, s->key, kind, bytes, MOST_TEXT);
    char *text = arena_alloc(&x->scratch, bytes + 1);
    int status = read_member(x, text, bytes);
    if (!status)
        sample_take_text(s, kind, text, bytes, x->samples->arena);
    return status;
}

enum kind { IMAGE, CLS, TXT, JSON, OTHER };

static enum kind kind_of(const char *ending) {
    static const char *const texts[] = {[CLS] = "cls", [TXT] = "txt", [JSON] = "json"};
    for (int k = CLS; k <= JSON; k++)
        if (!strcmp(ending, texts[k]))
            return (enum kind)k;
    return photos_is_image(ending) ? IMAGE : OTHER;
}

static int take_member(struct indexer *x, struct archive_entry *entry) {
    const char *name = archive_entry_pathname(entry);
    size_t key;
    char *ending;
    if (!name)
        return error_set(x->err, STATUS_USAGE, "%s: offset %lld: a member without a name",
                         x->shard->path, (long long)archive_read_header_position(x->archive));
    name += !strncmp(name, "./", 2) ? 2 : 0;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
        !split_name(name, &x->scratch, &key, &ending))
        return 0;
    enum kind kind = kind_of(ending);
    if (kind == OTHER)
        return 0;
    if (archive_entry_sparse_count(entry) > 0)
        return error_set(x->err, STATUS_USAGE, "%s: %s: sparse members are not read",
                         x->shard->path, name);
    struct sample *s = sample_of(x, name, key);
    size_t bytes = (size_t)archive_entry_size(entry);
    if (s->seen & 1U << kind) {
        if (!s->wrong)
            s->wrong = arena_printf(x->samples->arena, "it has a second %s, %s",
                                    kind == IMAGE ? "image" : "text of the kind", ending);
        return 0;
    }
    s->seen |= 1U << kind;
    return kind == IMAGE ? take_image(x, s, ending, bytes) : take_text(x, s, ending, bytes);
}

static int open_archive(struct indexer *x) {
    struct archive *a = x->archive = archive_read_new();
    struct stat info;
    if (!a)
        return error_set(x->err, STATUS_MACHINE, "%s: no memory to read it", x->shard->path);
    if (!stat(x->shard->path, &info) && S_ISDIR(info.st_mode))
        return error_set(x->err, STATUS_USAGE, "%s: a tar file expected, found a folder",
                         x->shard->path);
    /* None that would start another program. */
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_tar(a);
    if (archive_read_open_filename(a, x->shard->path, BLOCK) != ARCHIVE_OK)
        return broken(x);
    x->is_plain = archive_filter_count(x->archive) == 1;
    x->shard->size = stat(x->shard->path, &info) ? 0 : (uint64_t)info.st_size;
    return 0;
}

static int index_members(struct indexer *x) {
    int status = open_archive(x), code = ARCHIVE_OK;
    struct archive_entry *entry;
    while (!status && (code = archive_read_next_header(x->archive, &entry)) != ARCHIVE_EOF) {
        status = code == ARCHIVE_OK || code == ARCHIVE_WARN ? take_member(x, entry) : broken(x);
    }
    return status;
}

int shard_index(struct samples *s, struct shard *shard, int number, struct error *err) {
    struct indexer x = {.samples = s, .shard = shard, .number = number, .first = s->n, .err = err};
    x.keys.arena = &x.scratch;
    /* Names are UTF-8, whatever the user's language is. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
    if (utf8)
        before = uselocale(utf8);
    int status = index_members(&x);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    archive_read_free(x.archive);
    arena_free(&x.scratch);
    return status;
}
