// The sizes of ldm_core/config.py that do not depend on the weights.

export const PICTURE_SIDE = 28; // pixels of a picture, as people see it
export const IMAGE_SIDE = 32; // pixels of an image, as the VAE sees it: a picture with a border
export const LATENT_SHAPE = [4, 8, 8]; // of one image: channels, rows, columns
export const LATENT_SIZE = 4 * 8 * 8;
