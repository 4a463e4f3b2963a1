/* export.h -- an encoder under the names that other libraries have for it.
 *
 * A folder with model.safetensors, config.json and, for Hugging Face, preprocessor_config.json:
 *
 *     timm          timm.create_model(c["architecture"], checkpoint_path=..., **c["model_args"])
 *     hf            transformers.ViTModel.from_pretrained(FOLDER, add_pooling_layer=False)
 *     torchvision   a ResNet's names, whatever its stem; config.json says what it is
 */
#ifndef SSV_WEIGHTS_EXPORT_H
#define SSV_WEIGHTS_EXPORT_H

#include "data/preprocess.h"
#include "nn/backbone.h"

#define EXPORT_FORMATS "timm|hf|torchvision"

/* The encoder's parameters are m's group of that number.  Status 2 where the format has no network
 * like this one, saying what it lacks. */
int export_encoder(const struct model *m, int group, const struct backbone *b,
                   const struct preprocessing *p, const char *format, const char *folder,
                   struct error *err);

#endif
