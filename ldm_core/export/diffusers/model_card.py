"""The model card of the export: what is in the folder, and what it does by default."""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from ...files.hub_model import ABOUT, HEAD, TAGS, example_prompt, known_words
from ...latent_diffusion import LatentDiffusion
from .networks import N_TIMES

DATA = ModelCardData(library_name="diffusers", tags=[*TAGS], **ABOUT)
CARD = (
    HEAD
    + """\
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("this-folder", trust_remote_code=True)
pipe(prompt={{ prompt.__repr__() }}).images[0].show()
pictures = pipe(label=[0, None], num_inference_steps={{ settings.num_inference_steps }}).images
```
{% if is_student %}
The U-Net is a student of many steps: it was distilled, and draws in one to four, with a
`guidance_scale` from 1 to 7. It has no negative prompts.
{% endif %}
`prompt` takes at most {{ model.vocabulary.n_positions }} words out of these:
{{ words }}.
{% if not is_student %}`negative_prompt` takes the same.
{% endif %}`style` takes a number from -1 to 1 for each of
{{ model.vocabulary.styles | join(", ") or "nothing" }}, and `label` the index of a class, or None
for any class. Prompts and labels may be lists, with one for each picture.

| argument | if it is not given |
|---|---|
{% for name, value in settings.items() if not is_student or name in of_student -%}
| `{{ name }}` | {{ value }} |
{% endfor %}
{% if missing %}These settings suit the weights together with {{ missing | join(" and ") }}, which
diffusers does not have. The scheduler is {{ scheduler }} with equal steps in time instead: try
other settings, too.{% else %}These settings and {{ scheduler }} are those that suit the weights.
{% endif %}

What is not diffusers' own is loaded with `trust_remote_code=True` only; its code stands in this
folder, to be read before. The U-Net needs none of it:

```python
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("this-folder", subfolder="unet")
v = unet(x_t, n, encoder_hidden_states=tokens, class_labels=tokens.mean(dim=1)).sample
```

It takes noisy latents, timesteps n and tokens of the text encoder, and predicts v (Salimans & Ho
2022). Timestep n is the time t = (n + 1) / {{ n_times }}.
{% if not is_student %}`guidance_interval` counts in t.
{% endif %}
Another scheduler replaces this one with `from_config(pipe.scheduler.config)`. Steps whose number
divides {{ n_times }} are equally long.
"""
)


def model_card(
    model: LatentDiffusion, settings: Mapping[str, Any], missing: Sequence[str], scheduler: str
) -> str:
    """Make Markdown with front matter, as model hubs read it. missing: what suits the weights and
    diffusers does not have."""
    card = ModelCard.from_template(
        DATA,
        template_str=CARD,
        model=model,
        words=known_words(model.vocabulary),
        prompt=example_prompt(model.vocabulary),
        settings=settings,
        missing=missing,
        is_student="token_scale" in settings,
        of_student=("num_inference_steps", "guidance_scale"),
        scheduler=scheduler,
        n_times=N_TIMES,
    )
    return str(card)
