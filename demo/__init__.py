"""The web page: Gradio around `ldm_core`."""
