#include "data/exif.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { ORIENTATION = 0x0112, ENTRY = 12, TIFF_HEAD = 8, RAW_BYTES = 1 << 16 };

struct tiff {
    const uint8_t *data;
    size_t bytes;
    int big_endian;
};

/* n bytes at a place that has been checked. */
static uint32_t number(const struct tiff *t, size_t at, int n) {
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | t->data[at + (size_t)(t->big_endian ? i : n - 1 - i)];
    return value;
}

/* An entry: tag (2), type (2), count (4), then the value itself where it is small. */
static int value_of(const struct tiff *t, size_t at) {
    static const int size_of_type[] = {[1] = 1, [3] = 2, [4] = 4}; /* BYTE, SHORT, LONG */
    uint32_t type = number(t, at + 2, 2);
    int size = type < sizeof size_of_type / sizeof *size_of_type ? size_of_type[type] : 0;
    if (!size || number(t, at + 4, 4) != 1)
        return 0;
    uint32_t value = number(t, at + 8, size);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int exif_orientation(const void *block, size_t bytes) {
    static const char head[] = {'E', 'x', 'i', 'f', 0, 0};
    struct tiff t = {.data = block, .bytes = bytes};
    if (t.bytes >= sizeof head && !memcmp(t.data, head, sizeof head)) {
        t.data += sizeof head;
        t.bytes -= sizeof head;
    }
    if (t.bytes < TIFF_HEAD || (memcmp(t.data, "II*\0", 4) && memcmp(t.data, "MM\0*", 4)))
        return 0;
    t.big_endian = t.data[0] == 'M';
    size_t at = number(&t, 4, 4);
    if (at > t.bytes || t.bytes - at < 2)
        return 0;
    size_t n = number(&t, at, 2), room = (t.bytes - at - 2) / ENTRY;
    at += 2;
    for (size_t i = 0; i < n && i < room; i++, at += ENTRY)
        if (number(&t, at, 2) == ORIENTATION)
            return value_of(&t, at);
    return 0;
}

/* <tiff:Orientation>6</... or tiff:Orientation="6" */
int xmp_orientation(const void *packet, size_t bytes) {
    static const char name[] = "tiff:Orientation";
    const char *at = packet, *end = at + bytes;
    size_t n = strlen(name);
    while ((at = memmem(at, (size_t)(end - at), name, n))) {
        at += n;
        if (end - at >= 2 && at[0] == '=' && (at[1] == '"' || at[1] == '\''))
            at += 2;
        else if (end - at >= 1 && at[0] == '>')
            at++;
        else
            continue;
        if (at < end && at[0] >= '1' && at[0] <= '8')
            return at[0] - '0';
    }
    return 0;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first directory, and so the orientation, is near the front: RAW_BYTES are enough. */
int raw_profile_orientation(const void *text, size_t bytes) {
    uint8_t block[RAW_BYTES];
    const char *at = text, *end = at + bytes;
    size_t used = 0;
    int high = -1;
    for (int line = 0; line < 3; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return 0;
        at++;
    }
    for (; at < end && used < sizeof block; at++) {
        int digit = hex_digit((char)tolower((unsigned char)*at));
        if (digit >= 0 && high >= 0)
            block[used++] = (uint8_t)(high << 4 | digit);
        if (digit >= 0)
            high = high >= 0 ? -1 : digit;
    }
    return exif_orientation(block, used);
}
