/* gnuplot's SVG as a part of a page.
 *
 * Read tag by tag: names get a prefix, since those of all figures are in one document; a colour
 * becomes a variable, which the dark scheme gives another value; images become part of the text;
 * titles, scripts and whatever asks for something outside are left out.  The caption that every
 * figure has as its last lines of text is taken out as well, and the picture ends above it: the
 * page says it in text that can be read on a phone. */
#include "reports/page_internal.h"

#include "core/file.h"
#include "reports/html_internal.h"
#include "reports/text_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, MARK_COLOURS = 32, COLOURS = 4096, CAPTION_LINES = 32 };

struct piece {
    const char *at;
    size_t n;
};

struct element {
    struct piece name;
    size_t start; /* where its text begins in what is written */
    double y;     /* of the translation of a g; NAN-free: has_y */
    int has_y, is_caption, is_left_out;
};

struct buffer {
    char *text;
    size_t n, room;
};

struct svg {
    const char *folder, *prefix;
    struct arena *a;
    struct buffer out;
    struct element open[DEEPEST];
    int depth, left_out; /* elements, and those of them that are inside of one left out */
    uint32_t *colour;    /* (n_colours) */
    int n_colours;
    const char *line[CAPTION_LINES]; /* of the caption */
    int is_flag[CAPTION_LINES];
    int n_lines, n_found;
    double caption_top, lowest; /* of lines of text, pixels from the top */
    double width, height;
    int is_raster, is_broken;
};

static void write_bytes(struct svg *s, const char *text, size_t n) {
    struct buffer *b = &s->out;
    if (s->left_out)
        return;
    if (b->n + n + 1 > b->room) {
        b->room = 2 * (b->n + n) + 4096;
        char *more = arena_alloc(s->a, b->room);
        if (b->n)
            memcpy(more, b->text, b->n);
        b->text = more;
    }
    memcpy(b->text + b->n, text, n);
    b->n += n;
    b->text[b->n] = '\0';
}

static void write_text(struct svg *s, const char *text) {
    write_bytes(s, text, strlen(text));
}

static int is(struct piece p, const char *word) {
    return p.n == strlen(word) && !memcmp(p.at, word, p.n);
}

static int is_name(struct piece p) {
    for (size_t i = 0; i < p.n; i++)
        if (!isalnum((unsigned char)p.at[i]) && !strchr(":_.-", p.at[i]))
            return 0;
    return p.n > 0;
}

static int is_one_of(struct piece p, const char *const *words) {
    for (; *words; words++)
        if (is(p, *words))
            return 1;
    return 0;
}

/* ---- attributes ---- */

static int colour_index(struct svg *s, uint32_t colour) {
    for (int i = 0; i < s->n_colours; i++)
        if (s->colour[i] == colour)
            return i;
    if (s->n_colours == COLOURS)
        return -1;
    s->colour[s->n_colours] = colour;
    return s->n_colours++;
}

static void write_colour(struct svg *s, struct piece value) {
    const int32_t colour = colour_parse(value.at, value.n);
    const int i = colour < 0 ? -1 : colour_index(s, (uint32_t)colour);
    if (i < 0)
        write_bytes(s, value.at, value.n);
    else
        write_text(s, arena_printf(s->a, "var(--%s-%d)", s->prefix, i));
}

/* "#x" and every "url(#x)" with the prefix; the rest as it is. */
static void write_reference(struct svg *s, struct piece value) {
    static const char url[] = "url(#";
    const size_t skip = sizeof url - 1;
    const char *found;
    if (value.n && *value.at == '#') {
        write_text(s, arena_printf(s->a, "#%s-%.*s", s->prefix, (int)value.n - 1, value.at + 1));
        return;
    }
    while ((found = memmem(value.at, value.n, url, skip))) {
        const size_t n = (size_t)(found - value.at) + skip;
        write_bytes(s, value.at, n);
        write_text(s, arena_printf(s->a, "%s-", s->prefix));
        value = (struct piece){value.at + n, value.n - n};
    }
    write_bytes(s, value.at, value.n);
}

/* A picture that gnuplot wrote beside the figure. */
static void write_picture(struct svg *s, struct piece value) {
    static const char data[] = "data:image/png;base64,";
    struct error ignored;
    char *png, *text = NULL;
    size_t bytes = 0, n = 0;
    s->is_raster = 1;
    if (value.n > 5 && !memcmp(value.at, "data:", 5)) {
        write_bytes(s, value.at, value.n);
        return;
    }
    const char *path = arena_printf(s->a, "%s/%.*s", s->folder, (int)value.n, value.at);
    if (memchr(value.at, ':', value.n) || file_read(path, s->a, &png, &bytes, &ignored)) {
        s->is_broken = 1;
        return;
    }
    FILE *base64 = open_memstream(&text, &n);
    CHECK(base64, "no memory for a picture");
    html_put_base64(png, bytes, base64);
    CHECK(!fclose(base64), "no memory for a picture");
    write_text(s, data);
    write_bytes(s, text, n);
    free(text);
}

static int is_dropped(struct piece name, struct piece value) {
    const int asks = name.n == 5 && is(name, "style") && value.n > 4 &&
                     memmem(value.at, value.n, "url(", 4) && !memmem(value.at, value.n, "url(#", 5);
    return (name.n > 2 && !memcmp(name.at, "on", 2)) ||
           (name.n >= 5 && !memcmp(name.at, "xmlns", 5)) || asks;
}

static void write_attribute(struct svg *s, struct piece element, struct piece name,
                            struct piece value) {
    static const char *const colours[] = {"fill",        "stroke",     "color",
                                          "flood-color", "stop-color", NULL};
    const int is_link = is(name, "xlink:href") || is(name, "href");
    if (is_dropped(name, value) || (is_link && is(element, "a")))
        return;
    write_text(s, " ");
    write_bytes(s, is_link ? "href" : name.at, is_link ? 4 : name.n);
    write_text(s, "=\"");
    if (is(name, "id"))
        write_text(s, arena_printf(s->a, "%s-%.*s", s->prefix, (int)value.n, value.at));
    else if (is_link && is(element, "image"))
        write_picture(s, value);
    else if (is_one_of(name, colours) && colour_parse(value.at, value.n) >= 0)
        write_colour(s, value);
    else if (is(name, "font-family") && !memchr(value.at, ',', value.n))
        write_text(s, arena_printf(s->a, "%.*s, Verdana, sans-serif", (int)value.n, value.at));
    else
        write_reference(s, value);
    write_text(s, "\"");
}

static void note_place(struct element *e, struct piece name, struct piece value) {
    double x, y;
    char text[64];
    if (!is(name, "transform") || value.n >= sizeof text)
        return;
    memcpy(text, value.at, value.n);
    text[value.n] = '\0';
    if (sscanf(text, "translate(%lf,%lf)", &x, &y) == 2) {
        e->y = y;
        e->has_y = 1;
    }
}

static void note_size(struct svg *s, struct piece name, struct piece value) {
    char text[64];
    if (!is(name, "viewBox") || value.n >= sizeof text)
        return;
    memcpy(text, value.at, value.n);
    text[value.n] = '\0';
    if (sscanf(text, "0 0 %lf %lf", &s->width, &s->height) != 2)
        s->is_broken = 1;
}

/* From behind the name of a tag to its '>'; NULL when it has none. */
static const char *read_attributes(struct svg *s, struct element *e, const char *c) {
    const int is_root = s->depth == 0;
    for (;;) {
        c += strspn(c, " \t\r\n");
        if (!*c || *c == '>' || *c == '/')
            return *c ? c : NULL;
        struct piece name = {c, strcspn(c, " \t\r\n=/>")};
        c += name.n;
        c += strspn(c, " \t\r\n");
        if (!is_name(name) || *c != '=')
            return NULL;
        c++;
        c += strspn(c, " \t\r\n");
        const char quote = *c;
        const char *end = quote == '"' || quote == '\'' ? strchr(c + 1, quote) : NULL;
        if (!end || strcspn(c + 1, "\"<") < (size_t)(end - c - 1))
            return NULL;
        struct piece value = {c + 1, (size_t)(end - c - 1)};
        if (is_root)
            note_size(s, name, value);
        else
            write_attribute(s, e->name, name, value);
        note_place(e, name, value);
        c = end + 1;
    }
}

/* ---- elements ---- */

static void close_element(struct svg *s) {
    const struct element *e = &s->open[--s->depth];
    if (s->depth == 0)
        return; /* the root is written by page_svg_read */
    write_text(s, "</");
    write_bytes(s, e->name.at, e->name.n);
    write_text(s, ">");
    s->left_out -= e->is_left_out;
    if (e->is_caption && !s->left_out)
        s->out.n = e->start;
}

static const char *open_element(struct svg *s, const char *c) {
    static const char *const unwanted[] = {"title",    "desc",          "script", "style",
                                           "metadata", "foreignObject", NULL};
    struct element e = {.name = {c, strcspn(c, " \t\r\n/>")}, .start = s->out.n};
    if (s->depth == DEEPEST || !is_name(e.name) || (s->depth == 0 && !is(e.name, "svg")))
        return NULL;
    e.is_left_out = is_one_of(e.name, unwanted);
    s->left_out += e.is_left_out;
    if (s->depth) {
        write_text(s, "<");
        write_bytes(s, e.name.at, e.name.n);
    }
    c = read_attributes(s, &e, c + e.name.n);
    if (!c || (*c == '/' && c[1] != '>'))
        return NULL;
    if (s->depth)
        write_text(s, ">");
    s->open[s->depth++] = e;
    if (*c == '/') {
        close_element(s);
        return c + 2;
    }
    return c + 1;
}

static const char *end_element(struct svg *s, const char *c) {
    struct piece name = {c, strcspn(c, " \t\r\n>")};
    const char *end = c + name.n + strspn(c + name.n, " \t\r\n");
    if (!s->depth || *end != '>')
        return NULL;
    const struct piece open = s->open[s->depth - 1].name;
    if (open.n != name.n || memcmp(open.at, name.at, name.n))
        return NULL;
    close_element(s);
    return end + 1;
}

/* ---- text ---- */

static char *decoded(struct piece p, struct arena *a) {
    static const struct {
        const char *entity;
        char sign;
    } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *text = arena_alloc(a, p.n + 1), *to = text;
    while (p.n && isspace((unsigned char)*p.at)) {
        p.at++;
        p.n--;
    }
    while (p.n && isspace((unsigned char)p.at[p.n - 1]))
        p.n--;
    for (size_t i = 0; i < p.n;) {
        size_t k = 0;
        while (k < sizeof entities / sizeof *entities &&
               strncmp(p.at + i, entities[k].entity, strlen(entities[k].entity)) != 0)
            k++;
        const int known = k < sizeof entities / sizeof *entities;
        *to++ = known ? entities[k].sign : p.at[i];
        i += known ? strlen(entities[k].entity) : 1;
    }
    return text;
}

static void note_text(struct svg *s, struct piece p) {
    struct element *g = NULL;
    for (int d = s->depth - 1; d >= 0 && !g; d--)
        if (s->open[d].has_y)
            g = &s->open[d];
    const char *text = decoded(p, s->a);
    if (!g || !*text || s->left_out)
        return;
    for (int i = 0; i < s->n_lines; i++)
        if (!strcmp(text, s->line[i])) {
            g->is_caption = 1;
            s->n_found++;
            s->caption_top = g->y < s->caption_top ? g->y : s->caption_top;
            return;
        }
    s->lowest = g->y > s->lowest ? g->y : s->lowest;
}

static const char *read_text(struct svg *s, const char *c) {
    struct piece p = {c, strcspn(c, "<")};
    if (s->depth > 1 && strspn(c, " \t\r\n") < p.n) {
        note_text(s, p);
        write_bytes(s, p.at, p.n);
    }
    return c + p.n;
}

/* ---- the file ---- */

static void read_all(struct svg *s, const char *c) {
    while (c && *c) {
        const char *end;
        if (*c != '<') {
            c = read_text(s, c);
            continue;
        }
        if (c[1] == '?' || c[1] == '!') {
            const int is_comment = !strncmp(c, "<!--", 4);
            end = strstr(c, is_comment ? "-->" : ">");
            c = end ? end + (is_comment ? 3 : 1) : NULL;
        } else {
            c = c[1] == '/' ? end_element(s, c + 2) : open_element(s, c + 1);
        }
    }
    s->is_broken |= !c || s->depth || !s->out.n || s->width <= 0 || s->height <= 0;
}

/* The block "caption" of the data: lines of a number, a text and, where the figure has flags,
 * whether it is one of these; separated by tabs. */
static void read_caption(struct svg *s, const char *name) {
    static const char head[] = "\n# caption\n";
    struct error ignored;
    char *data, *rest = NULL;
    size_t bytes;
    if (file_read(arena_printf(s->a, "%s/%s.dat", s->folder, name), s->a, &data, &bytes, &ignored))
        return;
    char *block = memmem(data, bytes, head, sizeof head - 1);
    if (!block)
        return;
    block += sizeof head - 1;
    char *end = strstr(block, "\n\n");
    if (end)
        *end = '\0';
    for (char *line = strtok_r(block, "\n", &rest); line && s->n_lines < CAPTION_LINES;
         line = strtok_r(NULL, "\n", &rest)) {
        char *text = strchr(line, '\t'), *flag = text ? strchr(text + 1, '\t') : NULL;
        if (*line == '#' || !text)
            continue;
        if (flag)
            *flag = '\0';
        s->is_flag[s->n_lines] = flag && flag[1] == '1';
        s->line[s->n_lines++] = text + 1;
    }
}

/* The lines of the caption that are flags, or those that are not. */
static char *caption_text(const struct svg *s, int flags) {
    char *text = arena_strdup(s->a, "");
    for (int i = 0; i < s->n_lines; i++)
        if (s->is_flag[i] == flags)
            text = arena_printf(s->a, "%s%s%s", text, *text ? " " : "", s->line[i]);
    return text;
}

/* Where the picture ends once its caption is out of it. */
static double new_height(const struct svg *s) {
    enum { LINE = 14, BELOW = 6 };
    if (!s->n_found || s->caption_top <= s->lowest)
        return s->height;
    const double above_caption = s->caption_top - LINE, below_text = s->lowest + BELOW;
    return above_caption > below_text ? above_caption : below_text;
}

static char *colours_css(const struct svg *s) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *css = open_memstream(&text, &bytes);
    CHECK(css, "no memory for colours");
    for (int dark = 0; dark < 2; dark++) {
        fputs(dark ? "@media screen and (prefers-color-scheme: dark) { :root {" : ":root {", css);
        for (int i = 0; i < s->n_colours; i++)
            fprintf(css, "%s--%s-%d: #%06x", i ? "; " : " ", s->prefix, i,
                    (unsigned)(dark && !s->is_raster
                                   ? colour_dark(s->colour[i], s->n_colours <= MARK_COLOURS)
                                   : s->colour[i]));
        fputs(dark ? " } }\n" : " }\n", css);
    }
    CHECK(!fclose(css), "no memory for colours");
    char *copy = arena_strdup(s->a, text);
    free(text);
    return copy;
}

static char *opening_tag(const struct svg *s, const char *label) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *tag = open_memstream(&text, &bytes);
    CHECK(tag, "no memory for a figure");
    fprintf(tag,
            "<svg viewBox=\"0 0 %g %g\" style=\"max-width: %.0fpx\" role=\"img\" aria-label=\"",
            s->width, new_height(s), 1.4 * s->width);
    html_put(label, tag);
    fputs("\">", tag);
    CHECK(!fclose(tag), "no memory for a figure");
    char *copy = arena_strdup(s->a, text);
    free(text);
    return copy;
}

struct page_svg page_svg_read(const char *folder, const char *name, const char *label,
                              struct arena *a) {
    struct svg s = {.folder = arena_printf(a, "%s/figures", folder),
                    .prefix = name,
                    .a = a,
                    .colour = ARENA_ARRAY(a, uint32_t, COLOURS),
                    .caption_top = 1e9};
    struct error ignored;
    char *data;
    size_t bytes;
    read_caption(&s, name);
    struct page_svg out = {.caption = caption_text(&s, 0), .flags = caption_text(&s, 1)};
    if (file_read(arena_printf(a, "%s/%s.svg", s.folder, name), a, &data, &bytes, &ignored))
        return out;
    read_all(&s, text_valid(data, a));
    if (s.is_broken)
        return out;
    const char *tag =
        opening_tag(&s, arena_printf(a, "%s%s%s", label, *out.caption ? ". " : "", out.caption));
    out.text = arena_printf(a, "%s%s</svg>", tag, s.out.text);
    out.css = colours_css(&s);
    out.is_raster = s.is_raster;
    return out;
}
