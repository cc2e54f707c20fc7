"""For diffusers: networks as its stock classes, and code of ours that it loads from the export.

`miniature_pipeline`, `miniature_vae` and `miniature_text_encoder` are written into the export, each
with the modules that it needs (see `bundle`), and run there without this package.
"""
