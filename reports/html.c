#include "reports/html_internal.h"

#include "core/sha256.h"
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <stdlib.h>
#include <string.h>

void html_put(const char *text, FILE *out) {
    struct arena a = {0};
    for (const char *c = text_clean(text, &a); *c; c++)
        switch (*c) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*c, out);
        }
    arena_free(&a);
}

void html_put_signs(const char *text, FILE *out) {
    struct arena a = {0};
    size_t from = 0, n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (listing_is_minus(text, i)) {
            html_put(arena_printf(&a, "%.*s", (int)(i - from), text + from), out);
            fputs("\xe2\x88\x92", out);
            from = i + 1;
        }
    html_put(text + from, out);
    arena_free(&a);
}

void html_put_figure_spaces(int n, FILE *out) {
    for (int i = 0; i < n; i++)
        fputs("\xe2\x80\x87", out);
}

void html_put_base64(const void *data, size_t bytes, FILE *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = data;
    for (size_t i = 0; i < bytes; i += 3) {
        const unsigned long three = (unsigned long)b[i] << 16 |
                                    (i + 1 < bytes ? (unsigned long)b[i + 1] << 8 : 0) |
                                    (i + 2 < bytes ? b[i + 2] : 0);
        fputc(digits[three >> 18 & 63], out);
        fputc(digits[three >> 12 & 63], out);
        fputc(i + 1 < bytes ? digits[three >> 6 & 63] : '=', out);
        fputc(i + 2 < bytes ? digits[three & 63] : '=', out);
    }
}

/* Between the tags as between the lines: what a browser hashes. */
static char *script_text(struct arena *a) {
    size_t used = 0;
    for (int i = 0; html_script[i]; i++)
        used += strlen(html_script[i]) + 1;
    char *text = arena_alloc(a, used + 1), *to = text;
    for (int i = 0; html_script[i]; i++)
        to += sprintf(to, "%s\n", html_script[i]);
    return text;
}

static void put_policy(const char *script, FILE *out) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, strlen(script), (const uint8_t *)script);
    sha256_digest(&hash, sizeof digest, digest);
    fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "img-src data:; style-src 'unsafe-inline'; script-src 'sha256-",
          out);
    html_put_base64(digest, sizeof digest, out);
    fputs("'\">\n", out);
}

void html_begin(const char *title, const char *css, FILE *out) {
    struct arena a = {0};
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", out);
    put_policy(script_text(&a), out);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          out);
    html_put(title, out);
    fputs("</title>\n<style>\n", out);
    for (int i = 0; html_style[i]; i++)
        fprintf(out, "%s\n", html_style[i]);
    fprintf(out, "%s</style>\n</head>\n<body>\n<main>\n", css ? css : "");
    arena_free(&a);
}

void html_end(FILE *out) {
    struct arena a = {0};
    fprintf(out, "</main>\n<script>%s</script>\n</body>\n</html>\n", script_text(&a));
    arena_free(&a);
}
