#include "weights/prepare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_CROP = 0.01;

const char *const interpolation_names[] = {
    [INTERPOLATION_BILINEAR] = "bilinear", [INTERPOLATION_BICUBIC] = "bicubic"};

static int is_set(const char *text) {
    return text && *text;
}

static int read_three(const char *name, const char *text, double out[4], struct error *err) {
    enum { COLORS = 3 };
    if (!text || !*text)
        return 0;
    const char *at = text;
    for (int i = 0; i < COLORS; i++) {
        char *end;
        out[i] = strtod(at, &end);
        int last = i == COLORS - 1;
        if (end == at || !isfinite(out[i]) || (last ? *end != '\0' : *end != ',' && *end != ' '))
            return error_set(err, STATUS_USAGE,
                             "%s \"%s\" is no three numbers, such as 0.485,0.456,0.406", name,
                             text);
        at = end + 1;
    }
    return 0;
}

/* A number for each channel, or one for all. */
static void take_list(const struct source *s, const char *const *paths, double out[4]) {
    double numbers[4];
    for (int i = 0; paths[i]; i++) {
        const double all = source_number(s, paths[i], NAN);
        int n = source_list(s, paths[i], numbers, 4);
        for (int k = 0; k < 4 && isfinite(all); k++)
            numbers[k] = all;
        n = isfinite(all) ? 4 : n;
        if (n >= 1 && n <= 4) {
            memcpy(out, numbers, (size_t)n * sizeof *out);
            return;
        }
    }
}

/* ---- Hugging Face's preprocessor_config.json ---- */

/* 256, {"height": 256, "width": 256} or {"shortest_edge": 256}: sides, 0: it says none. */
struct sides {
    double height, width, shorter;
};

static double side(const struct source *s, const char *name, const char *part) {
    char path[64];
    snprintf(path, sizeof path, "%s%s", name, part);
    return source_number(s, path, 0);
}

/* A plain number was the shorter side where the middle is cut out, and both sides elsewhere. */
static struct sides sides_of(const struct source *s, const char *name, int crops) {
    struct sides x = {side(s, name, ".height"), side(s, name, ".width"),
                      side(s, name, ".shortest_edge")};
    const double plain = side(s, name, "");
    if (plain > 0 && crops)
        x.shorter = plain;
    else if (plain > 0)
        x.height = x.width = plain;
    return x;
}

struct processor {
    int there, crops;
    struct sides size, crop;
};

/* Where nothing says whether the middle is cut out, it is as the family has it. */
static struct processor processor_of(const struct source *s, enum fitting usual) {
    struct processor p = {.crops = source_number(s, "do_center_crop", usual == FIT_CROP) > 0};
    p.size = sides_of(s, "size", p.crops);
    p.crop = sides_of(s, "crop_size", 0);
    p.there = p.size.height > 0 || p.size.shorter > 0;
    return p;
}

/* Whether nothing but the whole of an image is what is left. */
static int keeps_all(const struct processor *p) {
    return p->size.height > 0 &&
           (!p->crops || (p->crop.height == p->size.height && p->crop.width == p->size.width));
}

static int refuse(const struct source *s, const char *what, struct error *err) {
    return error_set(err, STATUS_USAGE,
                     "%s: %s, as preprocessor_config.json beside it has it, is not here: say how "
                     "images are to be prepared with --weights.fit crop or squash (and "
                     "--weights.image, --weights.crop)",
                     s->path, what);
}

/* What no crop and no fit here does. */
static int check_processor(const struct source *s, const struct processor *p, struct error *err) {
    if (source_number(s, "do_resize", 1) == 0)
        return refuse(s, "no resizing of images (do_resize)", err);
    if (!p->there || keeps_all(p))
        return 0;
    if (!p->crops)
        return refuse(s, "a size of the shorter side alone, without a crop,", err);
    if (p->size.height > 0)
        return refuse(s, "a crop of images that are squeezed to a fixed height and width", err);
    if (p->crop.height != p->crop.width)
        return refuse(s, "a crop that is no square", err);
    if (p->crop.height > p->size.shorter)
        return refuse(s, "a crop that is larger than the image (crop_size)", err);
    return 0;
}

/* Pixels of 0 to 255 are multiplied by the factor and then normalised; here they are of [0,1]. */
static void rescale(const struct source *s, struct normalization *norm) {
    enum { MOST = 255 };
    const double least = 1e-6; /* what is written of 1/255 */
    const double factor =
        source_number(s, "do_rescale", 1) == 0 ? 1 : source_number(s, "rescale_factor", 1.0 / MOST);
    const double by = factor * MOST;
    if (fabs(by - 1) < least || !(by > 0))
        return;
    for (int i = 0; i < 4; i++) {
        norm->mean[i] /= by;
        norm->std[i] /= by;
    }
}

static int prepare_as_processor(const struct source *s, const struct network_options *o,
                                struct preprocessing *p, struct error *err) {
    const double least = 1e-6; /* so that input / crop is not cut to one pixel less */
    const struct processor own = processor_of(s, p->fit);
    p->fit = !own.crops || (own.there && keeps_all(&own)) ? FIT_SQUASH : FIT_CROP;
    if (own.crops && own.crop.height > 0 && own.size.shorter >= own.crop.height)
        p->crop =
            own.crop.height == own.size.shorter ? 1 : own.crop.height / (own.size.shorter + least);
    p->crop_down |= own.there && own.crops;
    if (source_number(s, "do_normalize", 1) == 0)
        p->norm = (struct normalization){{0, 0, 0, 0}, {1, 1, 1, 1}};
    rescale(s, &p->norm);
    return is_set(o->fit) ? 0 : check_processor(s, &own, err);
}

/* What is left of an image; 0: that is not said. */
static int processor_image(const struct source *s, enum fitting usual, char text[32]) {
    const struct processor p = processor_of(s, usual);
    const struct sides *left = p.crops ? &p.crop : &p.size;
    if (!(left->height > 0 && left->width > 0))
        return 0;
    snprintf(text, 32, "%.0fx%.0f", left->height, left->width);
    return 1;
}

void prepare_image(const struct source *s, const struct preprocessing *usual,
                   struct network_options *o, char text[32]) {
    double size[3];
    if (is_set(o->image))
        return;
    if (source_list(s, "pretrained_cfg.input_size", size, 3) == 3)
        snprintf(text, 32, "%.0fx%.0f", size[1], size[2]);
    else if (!processor_image(s, usual->fit, text))
        return;
    o->image = text;
}

/* ---- all files ---- */

/* By name, or by PIL's number.  Status 2 for a filter that is not here, unless the user says one.
 */
static int find_filter(const struct source *s, const struct network_options *o,
                       struct preprocessing *p, struct error *err) {
    static const int pil[] = {[INTERPOLATION_BILINEAR] = 2, [INTERPOLATION_BICUBIC] = 3};
    const char *name = source_text(s, "pretrained_cfg.interpolation",
                                   source_text(s, "preprocess_cfg.interpolation", ""));
    const double number = source_number(s, "resample", -1);
    int by_name = -1, by_number = -1;
    for (int i = INTERPOLATION_BILINEAR; i <= INTERPOLATION_BICUBIC; i++) {
        by_name = strcmp(name, interpolation_names[i]) ? by_name : i;
        by_number = number == pil[i] ? i : by_number;
    }
    if (by_name >= 0 || by_number >= 0)
        p->interpolation = by_number >= 0 ? by_number : by_name;
    if (is_set(o->interpolation) || ((by_name >= 0 || !*name) && (by_number >= 0 || number < 0)))
        return 0;
    return error_set(err, STATUS_USAGE,
                     "%s: images are resized by \"%.40s\" (PIL's filter %g) as the files beside it "
                     "have it, which is not here: choose one with --weights.interpolation",
                     s->path, name, number);
}

/* timm's crop_mode and OpenCLIP's resize_mode: what is filled up with a border is not here. */
static int find_fit(const struct source *s, const struct network_options *o,
                    struct preprocessing *p, struct error *err) {
    static const char *const paths[] = {"pretrained_cfg.crop_mode", "preprocess_cfg.resize_mode"};
    static const char *const known[] = {"", "center", "shortest", "squash"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *mode = source_text(s, paths[i], "");
        int is_known = is_set(o->fit);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            is_known |= !strcmp(mode, known[k]);
        if (!is_known)
            return error_set(err, STATUS_USAGE,
                             "%s: %s beside it is \"%.40s\", which is not here: choose crop or "
                             "squash with --weights.fit",
                             s->path, paths[i], mode);
        if (!strcmp(mode, "squash"))
            p->fit = FIT_SQUASH;
    }
    if (p->fit != FIT_SQUASH || is_set(o->fit) ||
        source_number(s, "pretrained_cfg.crop_pct", 1) >= 1)
        return 0;
    return error_set(err, STATUS_USAGE,
                     "%s: a crop (crop_pct) of images that are squeezed, as the config.json beside "
                     "it has it, is not here: choose crop or squash with --weights.fit",
                     s->path);
}

int prepare_as_file(const struct source *s, const struct network_options *o,
                    struct preprocessing *p, struct error *err) {
    static const char *const means[] = {"pretrained_cfg.mean", "mean", "image_mean",
                                        "preprocess_cfg.mean", NULL};
    static const char *const stds[] = {"pretrained_cfg.std", "std", "image_std",
                                       "preprocess_cfg.std", NULL};
    int status = 0;
    take_list(s, means, p->norm.mean);
    take_list(s, stds, p->norm.std);
    p->crop = source_number(s, "pretrained_cfg.crop_pct", source_number(s, "crop_pct", p->crop));
    TRY(find_fit(s, o, p, err));
    TRY(prepare_as_processor(s, o, p, err));
    status = find_filter(s, o, p, err);
out:
    return status;
}

int prepare_as_told(const struct network_options *o, struct preprocessing *p, struct error *err) {
    int status = 0;
    TRY(read_three("mean", o->mean, p->norm.mean, err));
    TRY(read_three("std", o->std, p->norm.std, err));
    if (o->crop > 0)
        p->crop = o->crop;
    if (is_set(o->interpolation))
        p->interpolation = strcmp(o->interpolation, interpolation_names[INTERPOLATION_BICUBIC]) != 0
                               ? INTERPOLATION_BILINEAR
                               : INTERPOLATION_BICUBIC;
    if (is_set(o->fit))
        p->fit = strcmp(o->fit, "squash") ? FIT_CROP : FIT_SQUASH;
    for (int i = 0; i < 3; i++)
        if (!(p->norm.std[i] > 0))
            status = error_set(err, STATUS_USAGE, "a deviation of %g: std must be above 0",
                               p->norm.std[i]);
    if (!(p->crop >= LEAST_CROP && p->crop <= 1))
        status = error_set(err, STATUS_USAGE, "a crop of %g is no share of the image in [%g, 1]",
                           p->crop, LEAST_CROP);
out:
    return status;
}
