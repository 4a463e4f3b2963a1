/* canvas_text.c -- the font and how lines break.
 *
 * The letters are drawn below as they look: a band is 9 rows of 12 letters, in the order of ASCII.
 */
#include "data/canvas.h"

#include <string.h>

enum { FIRST = ' ', BAND = 12, BANDS = 8, ROWS = 9, NO_LETTER = BANDS * BAND - 1 };

/* The last one is for what is not printable ASCII. */
static const char *const font[BANDS][ROWS] = {
    {"        #    # #   # #    #   ##  #  ##     #      #   #               ",
     "        #    # #   # #   #### ##  # #  #    #     #     #     #     #  ",
     "        #         ##### # #      #  # #          #       #  # # #   #  ",
     "        #          # #   ###    #    #           #       #   ###  #####",
     "        #         #####   # #  #    # # #        #       #  # # #   #  ",
     "                   # #  ####  #  ## #  #          #     #     #     #  ",
     "        #          # #    #   #  ##  ## #          #   #               ",
     "                                                                       ",
     "                                                                       "},
    {"                      #  ###    #    ###   ###     #  #####   ##  #####",
     "                      # #   #  ##   #   # #   #   ##  #      #        #",
     "                     #  #  ##   #       #     #  # #  ####  #        # ",
     "       ###          #   # # #   #      #    ##  #  #      # ####    #  ",
     "                   #    ##  #   #     #       # #####     # #   #   #  ",
     "  ##         ##   #     #   #   #    #    #   #    #  #   # #   #   #  ",
     "   #         ##   #      ###   ###  #####  ###     #   ###   ###    #  ",
     "  #                                                                    ",
     "                                                                       "},
    {" ###   ###                 #         #     ###   ###   ###  ####   ### ",
     "#   # #   #  ##     ##    #           #   #   # #   # #   # #   # #   #",
     "#   # #   #  ##     ##   #    #####    #      # # ### #   # #   # #    ",
     " ###   ####             #               #    #  # # # ##### ####  #    ",
     "#   #     #  ##     ##   #    #####    #    #   # ### #   # #   # #    ",
     "#   #    #   ##      #    #           #         #     #   # #   # #   #",
     " ###   ##           #      #         #      #    #### #   # ####   ### ",
     "                                                                       ",
     "                                                                       "},
    {"####  ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ### ",
     "#   # #     #     #   # #   #   #      #  #  #  #     ## ## ##  # #   #",
     "#   # #     #     #     #   #   #      #  # #   #     # # # # # # #   #",
     "#   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   #",
     "#   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   #",
     "#   # #     #     #   # #   #   #   #  #  #  #  #     #   # #   # #   #",
     "####  ##### #      ###  #   #  ###   ##   #   # ##### #   # #   #  ### ",
     "                                                                       ",
     "                                                                       "},
    {"####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ### ",
     "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #   ",
     "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #   ",
     "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #   ",
     "#     # # # # #       #   #   #   # #   # # # #  # #    #    #     #   ",
     "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #      #   ",
     "#      ## # #   # ####    #    ###    #   #   # #   #   #   #####  ### ",
     "                                                                       ",
     "                                                                       "},
    {"#      ###    #          #          #               #         ##       ",
     "#        #   # #          #         #               #        #         ",
     " #       #  #   #              ###  ####   ###   ####  ###  ####   ####",
     "  #      #                        # #   # #     #   # #   #  #    #   #",
     "   #     #                     #### #   # #     #   # #####  #    #   #",
     "    #    #                    #   # #   # #     #   # #      #    #   #",
     "    #  ###                     #### ####   ###   ####  ###   #     ####",
     "                  #####                                               #",
     "                                                                   ### "},
    {"#       #      #  #      ##                                            ",
     "#                 #       #                                            ",
     "# ##   ##     ##  #  #    #   ## #  # ##   ###  ####   #### # ##   ####",
     "##  #   #      #  # #     #   # # # ##  # #   # #   # #   # ##  # #    ",
     "#   #   #      #  ##      #   # # # #   # #   # #   # #   # #      ### ",
     "#   #   #      #  # #     #   # # # #   # #   # #   # #   # #         #",
     "#   #  ###     #  #  #   ###  # # # #   #  ###  ####   #### #     #### ",
     "               #                                #         #            ",
     "             ##                                 #         #            "},
    {" #                                           #    #    #          #####",
     " #                                          #     #     #         #   #",
     "####  #   # #   # #   # #   # #   # #####   #     #     #    ## # #   #",
     " #    #   # #   # #   #  # #  #   #    #   #      #      #  # ##  #   #",
     " #    #   # #   # # # #   #   #   #   #     #     #     #         #   #",
     " #    #  ##  # #  # # #  # #  #   #  #      #     #     #         #   #",
     "  ##   ## #   #    # #  #   #  #### #####    #    #    #          #####",
     "                                  #                                    ",
     "                               ###                                     "},
};

/* The letter of the character at *text, which moves on to the next one; bytes of UTF-8 that go on
 * with a character are part of it. */
static int next_letter(const char **text) {
    unsigned char c = (unsigned char)*(*text)++;
    while (((unsigned char)**text & 0xC0) == 0x80)
        ++*text;
    return c >= FIRST && c < FIRST + NO_LETTER ? c - FIRST : NO_LETTER;
}

static int letters_in(const char *text) {
    int n = 0;
    for (; *text; n++)
        next_letter(&text);
    return n;
}

int canvas_text_width(const char *text, int scale) {
    int n = letters_in(text);
    return n ? scale * (n * TEXT_WIDTH - (TEXT_WIDTH - TEXT_LETTER)) : 0;
}

static void draw_letter(struct canvas *c, int x, int y, int scale, struct color color, int letter) {
    for (int row = 0; row < ROWS; row++) {
        const char *bits = font[letter / BAND][row] + (size_t)(letter % BAND) * TEXT_WIDTH;
        for (int col = 0; col < TEXT_LETTER; col++)
            if (bits[col] != ' ')
                canvas_fill(c, x + col * scale, y + row * scale, scale, scale, color);
    }
}

void canvas_text(struct canvas *c, int x, int y, int scale, struct color color, const char *text) {
    for (; *text; x += TEXT_WIDTH * scale)
        draw_letter(c, x, y, scale, color, next_letter(&text));
}

const char *canvas_cut(const char *text, int letters, struct arena *a) {
    static const char dots[] = "..";
    const char *end = text;
    if (letters_in(text) <= letters)
        return text;
    for (int i = (int)sizeof dots - 1; i < letters; i++)
        next_letter(&end);
    return arena_printf(a, "%.*s%s", (int)(end - text), text, dots);
}

/* Bytes of the first `room` characters at most. */
static size_t prefix(const char *text, int room) {
    const char *end = text;
    while (room-- > 0 && *end && *end != '\n')
        next_letter(&end);
    return (size_t)(end - text);
}

/* Bytes of the first line: up to a '\n', to all of it if that fits, to the last blank that does,
 * or to what fits. */
static size_t first_line(const char *text, int room) {
    size_t fits = prefix(text, room), n = fits;
    if (!text[n] || text[n] == '\n' || text[n] == ' ')
        return n;
    while (n && text[n - 1] != ' ')
        n--;
    return n ? n : fits;
}

int canvas_wrap(const char *text, int width, int scale, struct arena *a, char ***lines) {
    int room = (width / scale + TEXT_WIDTH - TEXT_LETTER) / TEXT_WIDTH, n = 0;
    room = room > 0 ? room : 1;
    *lines = ARENA_ARRAY(a, char *, strlen(text) + 1);
    while (*text) {
        size_t length = first_line(text, room), shown = length;
        while (shown && text[shown - 1] == ' ')
            shown--;
        (*lines)[n++] = arena_printf(a, "%.*s", (int)shown, text);
        text += length;
        if (*text == '\n')
            text++;
        else
            text += strspn(text, " ");
    }
    return n;
}

struct canvas canvas_paragraph(struct arena *a, int width, int scale, struct color color,
                               const char *text) {
    char **lines;
    int n = canvas_wrap(text, width, scale, a, &lines);
    struct canvas c = canvas_make(a, width, n ? n * TEXT_HEIGHT * scale : 1, WHITE);
    for (int i = 0; i < n; i++)
        canvas_text(&c, 0, i * TEXT_HEIGHT * scale, scale, color, lines[i]);
    return c;
}
