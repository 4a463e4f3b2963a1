/* INI text through libinih, which sees tame lines only.
 *
 * libinih drops what does not fit into its line buffer (200 bytes in most builds), and it takes an
 * indented line for more of the value above.  So the reader below gives it lines without
 * indentation and comments, and cuts a long line into pieces of which all but the first start with
 * a blank: libinih reports them as more of the same value and they are joined again here. */
#include "core/file.h"
#include "core/options_internal.h"

#include <ctype.h>
#include <ini.h>
#include <string.h>

struct assigned {
    const char *key;
    int line;
    struct assigned *before;
};

struct source {
    const char *next;             /* first byte of the next line */
    const char *piece, *end;      /* what is left of the present line */
    int line;                     /* its number, from 1 */
    int width;                    /* of libinih's line buffer */
    int continued;                /* is libinih looking at a later piece of a line? */
    char *section, *name, *value; /* the assignment read last, or NULL */
    struct option_set *set;
    enum option_origin origin;
    struct assigned *assigned; /* the last of a user's file; no such list for a stored text */
    int is_users;
    const char *whence;
    struct arena *a;
    struct error *err;
    int status;
};

/* A user who sets a name twice sees one of the two values have no effect. */
static int remember(struct source *in, const char *key) {
    struct option_place place;
    const char *name = options_find(in->set, key, &place) ? option_key(&place, in->a) : key;
    for (const struct assigned *old = in->assigned; old; old = old->before)
        if (!strcmp(old->key, name))
            return error_set(in->err, STATUS_USAGE, "%.100s is set twice, first in line %d", name,
                             old->line);
    struct assigned *one = ARENA_NEW(in->a, struct assigned);
    *one = (struct assigned){name, in->line, in->assigned};
    in->assigned = one;
    return 0;
}

/* A section without a line in it is never reported by libinih. */
static void check_section(struct source *in) {
    const char *close = memchr(in->piece, ']', (size_t)(in->end - in->piece));
    if (!in->is_users || in->piece == in->end || *in->piece != '[' || !close)
        return;
    char *name = arena_printf(in->a, "%.*s", (int)(close - in->piece - 1), in->piece + 1);
    in->status = option_section_exists(in->set, name, in->err);
    if (in->status)
        error_prefix(in->err, "%s:%d", in->whence, in->line);
}

/* The value of a line is complete when the next line begins. */
static void assign_pending(struct source *in) {
    if (!in->name || in->status)
        return;
    const char *section = in->section;
    char *key = arena_printf(in->a, "%s%s%s", section, section[0] ? "." : "", in->name);
    char *value;
    in->status = option_unescape(in->value, in->a, &value, in->err);
    if (!in->status && in->is_users)
        in->status = remember(in, key);
    if (!in->status)
        in->status = in->is_users
                         ? option_input(in->set, key, value, in->origin,
                                        arena_printf(in->a, "%s:%d", in->whence, in->line), in->err)
                         : options_assign(in->set, key, value, in->origin, in->err);
    if (in->status)
        error_prefix(in->err, "%s:%d", in->whence, in->line);
    in->name = NULL;
}

static int is_blank(const char *c) {
    return isspace((unsigned char)*c);
}

/* Sets the next line up as one piece, without the blanks at its ends and without its comment. */
static void begin_line(struct source *in) {
    const char *start = in->next, *end = start + strcspn(start, "\n");
    in->next = *end ? end + 1 : end;
    in->line++;
    while (start < end && is_blank(start))
        start++;
    if (*start == ';' || *start == '#')
        end = start;
    for (const char *c = start + 1; c < end; c++)
        if (*c == ';' && is_blank(c - 1))
            end = c;
    while (end > start && is_blank(end - 1))
        end--;
    in->piece = start;
    in->end = end;
}

/* How much of the line fits: a cut beside a blank would lose it, one before ';' or '#' would make a
 * comment of the rest.  0 when there is no place for a cut in the second half of the room; the
 * first half is left to the name. */
static size_t piece_length(const struct source *in, size_t room) {
    size_t left = (size_t)(in->end - in->piece);
    if (left <= room)
        return left;
    size_t n = room;
    while (n > room / 2 && (is_blank(in->piece + n - 1) || is_blank(in->piece + n) ||
                            in->piece[n] == ';' || in->piece[n] == '#'))
        n--;
    return n > room / 2 ? n : 0;
}

static char *read_piece(char *out, int width, void *user) {
    struct source *in = user;
    in->width = width;
    in->continued = in->piece < in->end;
    if (!in->continued) {
        assign_pending(in);
        if (in->status || !*in->next)
            return NULL;
        begin_line(in);
        check_section(in);
        if (in->status)
            return NULL;
    }
    size_t n = piece_length(in, (size_t)width - sizeof " \n");
    if (!n && in->piece < in->end) {
        in->status = error_set(in->err, STATUS_USAGE, "%s:%d: too many blanks or ';' in a row",
                               in->whence, in->line);
        return NULL;
    }
    char *to = out;
    if (in->continued)
        *to++ = ' ';
    memcpy(to, in->piece, n);
    strcpy(to + n, "\n");
    in->piece += n;
    return out;
}

static int take(void *user, const char *section, const char *name, const char *value) {
    struct source *in = user;
    if (in->continued) {
        if (in->name)
            in->value = arena_printf(in->a, "%s%s", in->value, value);
    } else {
        in->section = arena_strdup(in->a, section);
        in->name = arena_strdup(in->a, name);
        in->value = arena_strdup(in->a, value ? value : "");
    }
    return 1;
}

/* libinih counts pieces; the line that its n-th piece was cut from. */
static int line_of_piece(const char *text, int n, int width, struct arena *a) {
    struct error unused = {0};
    struct source in = {.next = text, .whence = "", .a = a, .err = &unused};
    char *buffer = arena_alloc(a, (size_t)width);
    for (int i = 0; i < n; i++)
        read_piece(buffer, width, &in);
    return in.line;
}

static int load(struct option_set *set, const char *text, const char *whence,
                enum option_origin origin, int is_users, struct error *err) {
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    struct arena a = {0};
    if (!strncmp(text, byte_order_mark, strlen(byte_order_mark)))
        text += strlen(byte_order_mark);
    struct source in = {.next = text,
                        .set = set,
                        .origin = origin,
                        .is_users = is_users,
                        .whence = whence,
                        .a = &a,
                        .err = err};
    int n = ini_parse_stream(read_piece, &in, take, &in);
    if (n > 0)
        in.status =
            error_set(err, STATUS_USAGE, "%s:%d: expected \"name = value\" or \"[section]\"",
                      whence, line_of_piece(text, n, in.width, &a));
    else if (n < 0)
        in.status = error_set(err, STATUS_MACHINE, "%s: out of memory", whence);
    else if (!in.status && origin == FROM_SUITE && !in.assigned) /* it would be the defaults */
        in.status = error_set(err, STATUS_USAGE, "%s: it sets no option", whence);
    arena_free(&a);
    return in.status;
}

int options_load_text(struct option_set *set, const char *text, const char *whence,
                      struct error *err) {
    return load(set, text, whence, FROM_FILE, 0, err);
}

int options_load(struct option_set *set, const char *path, enum option_origin origin,
                 struct error *err) {
    struct arena a = {0};
    char *text;
    size_t bytes;
    int status;
    TRY(file_read(path, &a, &text, &bytes, err));
    if (strlen(text) != bytes) {
        status = error_set(err, STATUS_USAGE, "%s: not a text file: it has a zero byte at %zu",
                           path, strlen(text));
        goto out;
    }
    status = load(set, text, path, origin, 1, err);
out:
    arena_free(&a);
    return status;
}
