#include "core/file.h"
#include "results/run_internal.h"

#include <archive.h>
#include <gnu/libc-version.h>
#include <hdf5.h>
#include <jansson.h>
#include <png.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utf8proc.h>
#include <webp/decode.h>
#include <zlib.h>

#include <jpeglib.h> /* needs stdio.h */

#define TEXTUAL(x) #x
#define TEXT_OF(x) TEXTUAL(x)
#ifdef LIBJPEG_TURBO_VERSION
#define LIBJPEG "libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION)
#else
#define LIBJPEG "libjpeg " TEXT_OF(JPEG_LIB_VERSION)
#endif

/* The Makefile knows them. */
#ifndef SSV_COMMIT
#define SSV_COMMIT "unknown"
#endif
#ifndef SSV_DIRTY
#define SSV_DIRTY 0
#endif
#ifndef SSV_CFLAGS
#define SSV_CFLAGS ""
#endif

#ifdef __clang__
#define COMPILER __VERSION__ /* begins with the name */
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Only OpenBLAS has it; another BLAS may be linked in its place. */
extern char *openblas_get_config(void) __attribute__((weak));

/* The value of the first "key : value" line of a /proc file, or NULL. */
static char *proc_value(const char *text, const char *key, struct arena *a) {
    size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *after = strncmp(line, key, n) == 0 ? line + n : NULL;
        if (!after)
            continue;
        after += strspn(after, " \t");
        if (*after != ':')
            continue;
        after += 1 + strspn(after + 1, " \t");
        return arena_printf(a, "%.*s", (int)strcspn(after, "\n"), after);
    }
    return NULL;
}

static const char *proc_file(const char *path, struct arena *a) {
    char *text;
    size_t bytes;
    struct error ignored; /* no /proc is not an error */
    return file_read(path, a, &text, &bytes, &ignored) ? "" : text;
}

static int has_word(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return 1;
    return 0;
}

/* Of all that the processor can do, what numerical code uses. */
static const char *isa_of(const char *flags, const char *machine, struct arena *a) {
    static const char *const known[] = {
        "sse4_2",   "avx",      "f16c",        "fma",      "avx2",        "avx512f",     "avx512dq",
        "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
        "amx_bf16", "asimd",    "asimdhp",     "sve",      "sve2",        "bf16"};
    char *isa = arena_strdup(a, machine);
    for (size_t i = 0; flags && i < sizeof known / sizeof *known; i++)
        if (has_word(flags, known[i]))
            isa = arena_printf(a, "%s %s", isa, known[i]);
    return isa;
}

/* Those that this process may run on. */
static int count_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than a cpu_set_t has bits */
    return n > 0 ? (int)n : 1;
}

static const char *libraries(struct arena *a) {
    unsigned major = 0, minor = 0, release = 0, webp = (unsigned)WebPGetDecoderVersion();
    H5get_libversion(&major, &minor, &release);
    return arena_printf(a,
                        "hdf5 %u.%u.%u, jansson %s, zlib %s, glibc %s, %s, libpng %s, "
                        "libwebp %u.%u.%u, utf8proc %s, %s",
                        major, minor, release, jansson_version_str(), zlibVersion(),
                        gnu_get_libc_version(), LIBJPEG, png_get_libpng_ver(NULL), webp >> 16,
                        webp >> 8 & 255, webp & 255, utf8proc_version(), archive_version_string());
}

void environment_fill(struct run *r) {
    struct arena *a = &r->arena, scratch = {0};
    struct utsname system = {0};
    uname(&system);
    const char *processor = proc_file("/proc/cpuinfo", &scratch);
    const char *memory = proc_file("/proc/meminfo", &scratch);
    const char *flags = proc_value(processor, "flags", &scratch);
    if (!flags)
        flags = proc_value(processor, "Features", &scratch);
    const char *cpu = proc_value(processor, "model name", a);
    const char *total = proc_value(memory, "MemTotal", &scratch);
    const double kib = total ? strtod(total, NULL) : 0;
    r->env_cpu = cpu ? cpu : arena_strdup(a, system.machine);
    r->env_isa = isa_of(flags, system.machine, a);
    r->env_cores = count_cores();
    r->env_mem = arena_printf(a, "%.1f GiB", kib / (1 << 20));
    r->env_kernel = arena_printf(a, "%s %s", system.sysname, system.release);
    r->env_compiler = COMPILER;
    r->env_cflags = SSV_CFLAGS;
    r->env_libs = libraries(a);
    r->env_blas = openblas_get_config ? arena_strdup(a, openblas_get_config()) : "unknown";
    r->env_device = "cpu";
    r->code_commit = SSV_COMMIT;
    r->code_dirty = SSV_DIRTY;
    arena_free(&scratch);
}
