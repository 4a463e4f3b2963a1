/* The head of the page: what was compared, on what, with which budget and seeds; and the commands
 * that made it. */
#include "reports/page_internal.h"

#include "reports/html_internal.h"
#include "reports/text_internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Different texts in the order in which they come. */
struct names {
    struct arena *a;
    const char **text;
    int *times;
    int n;
};

static struct names names_new(int most, struct arena *a) {
    return (struct names){a, ARENA_ARRAY(a, const char *, most), ARENA_ARRAY(a, int, most), 0};
}

static void add(struct names *names, const char *text) {
    for (int i = 0; i < names->n; i++)
        if (!strcmp(names->text[i], text)) {
            names->times[i]++;
            return;
        }
    names->text[names->n] = text;
    names->times[names->n++] = 1;
}

static const char *joined(const struct names *names, int with_times) {
    enum { SHOWN = 16 };
    const char *text = "";
    for (int i = 0; i < names->n && i < SHOWN; i++)
        text = with_times ? arena_printf(names->a, "%s%s%d %s", text, i ? ", " : "",
                                         names->times[i], names->text[i])
                          : arena_printf(names->a, "%s%s%s", text, i ? ", " : "", names->text[i]);
    if (names->n > SHOWN)
        text = arena_printf(names->a, "%s and %d more", text, names->n - SHOWN);
    return text;
}

static void put_fact(const char *term, const char *text, FILE *out) {
    if (!*text)
        return;
    fputs("<dt>", out);
    html_put(term, out);
    fputs("</dt><dd>", out);
    html_put(text, out);
    fputs("</dd>\n", out);
}

static const char *dates(struct run *const *runs, int n, struct arena *a) {
    enum { DAY = 10 };
    const char *first = runs[0]->created_utc, *last = first;
    for (int i = 0; i < n; i++) {
        const char *day = runs[i]->created_utc;
        if (strncmp(day, first, DAY) < 0)
            first = day;
        if (strncmp(day, last, DAY) > 0)
            last = day;
    }
    return strncmp(first, last, DAY) ? arena_printf(a, "%.10s to %.10s", first, last)
                                     : arena_printf(a, "%.10s", first);
}

static void put_names(const struct page_input *in, const struct summary *s, FILE *out) {
    struct names methods = names_new(s->n_rows, s->a), backbones = names_new(in->n_runs, s->a);
    struct names data = names_new(in->n_runs, s->a), budgets = names_new(in->n_runs, s->a);
    struct names seeds = names_new(in->n_runs, s->a), status = names_new(in->n_runs, s->a);
    struct names columns = names_new(s->n_columns, s->a);
    for (int r = 0; r < s->n_rows; r++)
        add(&methods, s->row[r].method);
    for (int c = 0; c < s->n_columns; c++)
        add(&columns, summary_column_label(s, &s->column[c], " "));
    for (int i = 0; i < in->n_runs; i++) {
        const struct run *r = in->runs[i];
        add(&backbones, r->backbone);
        if (strcmp(r->method, "weights") != 0) /* what these were trained on is not known */
            add(&data, r->dataset);
        if (r->budget && *r->budget && strcmp(r->budget, "none"))
            add(&budgets, r->budget);
        add(&seeds, arena_printf(s->a, "%" PRId64, r->seed));
        add(&status, r->status);
    }
    put_fact("Methods", joined(&methods, 0), out);
    put_fact("Encoder", joined(&backbones, 0), out);
    put_fact("Pretrained on", joined(&data, 0), out);
    put_fact("Evaluated by", joined(&columns, 0), out);
    put_fact("Budget", joined(&budgets, 0), out);
    put_fact("Pretraining seeds", joined(&seeds, 0), out);
    put_fact("Runs", joined(&status, 1), out);
    put_fact("Made", dates(in->runs, in->n_runs, s->a), out);
}

void page_put_facts(const struct page_input *in, const struct summary *s, FILE *out) {
    fputs("<dl class=\"facts\">\n", out);
    put_names(in, s, out);
    fputs("</dl>\n", out);
}

/* As a shell takes it. */
static char *quoted(const char *word, struct arena *a) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:=,+@%";
    if (*word && strspn(word, plain) == strlen(word))
        return arena_strdup(a, word);
    char *text = arena_alloc(a, 4 * strlen(word) + 3), *to = text;
    *to++ = '\'';
    for (; *word; word++)
        to = *word == '\'' ? stpcpy(to, "'\\''") : (*to = *word, to + 1);
    *to = '\'';
    return text;
}

static const char *command_of(const struct run *r, struct arena *a) {
    char *copy = arena_strdup(a, r->argv ? r->argv : ""), *rest = NULL;
    const char *text = "";
    for (char *word = strtok_r(copy, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest))
        text = arena_printf(a, "%s%s%s", text, *text ? " " : "", quoted(word, a));
    return text;
}

void page_put_commands(const struct page_input *in, FILE *out, struct arena *a) {
    enum { SHOWN = 12 };
    struct names commands = names_new(in->n_runs, a);
    for (int i = 0; i < in->n_runs; i++) {
        const char *command = command_of(in->runs[i], a);
        if (*command)
            add(&commands, command);
    }
    if (!commands.n)
        return;
    fputs("<h3>Commands</h3>\n<pre>", out);
    for (int i = 0; i < commands.n && i < SHOWN; i++) {
        html_put(commands.text[i], out);
        fputc('\n', out);
    }
    fputs("</pre>\n", out);
    if (commands.n > SHOWN)
        fprintf(out, "<p>and %d more: run.h5 has the command of each run.</p>\n",
                commands.n - SHOWN);
}
