"""The model card of the export: what is in the folder, and what it does by default."""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from torch import nn

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
{{ model.vocabulary.styles | join(", ") or "nothing" }}.

`label` takes the index of a class, from 0 to {{ model.class_names | length - 1 }}, or None for any
class. Prompts and labels may be lists, with one for each picture. Without both, it draws a picture
of any class.

| argument | if it is not given |
|---|---|
{% for name, value in settings.items() if not is_student or name in of_student -%}
| `{{ name }}` | {{ value }} |
{% endfor %}
{% if missing %}These settings suit the weights together with {{ missing | join(" and ") }}, which
diffusers does not have. The scheduler is {{ scheduler }} with equal steps in time instead: try
other settings, too.{% else %}These settings and {{ scheduler }} are those that suit the weights.
{% endif %}

| part | class | code | parameters |
|---|---|---|---|
{% for part in parts %}| {{ part | join(" | ") }} |
{% endfor %}
{{ "{:,}".format(learned) }} parameters of the U-Net were learned; the others belong to layers that
do nothing. What is not diffusers' own is loaded with `trust_remote_code=True` only; its code stands
in this folder, to be read before. The U-Net needs none of it:

```python
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("this-folder", subfolder="unet")
v = unet(x_t, n, encoder_hidden_states=tokens, class_labels=tokens.mean(dim=1)).sample
```

It takes a noisy latent x_t (B, 4, 8, 8), a timestep n from 0 to {{ n_times - 1 }} and tokens of the
text encoder (B, {{ n_tokens }}, {{ d_context }}), and predicts v = sqrt(alpha_bar) noise -
sqrt(1 - alpha_bar) x_0 (Salimans & Ho 2022). Timestep n is the time t = (n + 1) / {{ n_times }}.
{% if not is_student %}`guidance_interval` counts in t.
{% endif %}
Another scheduler replaces this one with `from_config(pipe.scheduler.config)`. Steps whose number
divides {{ n_times }} are equally long. Others are rounded to the {{ n_times }} timesteps; some
numbers above 90, which the scheduler would miscount, are refused.
"""
)


def model_card(
    model: LatentDiffusion,
    parts: Mapping[str, Any],
    code: Mapping[str, str],
    settings: Mapping[str, Any],
    missing: Sequence[str],
) -> str:
    """Make Markdown with front matter, as model hubs read it. code: the files of parts that are not
    diffusers' own. missing: what suits the weights and diffusers does not have."""
    config = model.config
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
        scheduler=type(parts["scheduler"]).__name__,
        parts=[_row(name, part, code.get(name)) for name, part in parts.items()],
        learned=sum(p.numel() for p in model.unet.parameters()),
        n_tokens=config.conditioning.n_tokens,
        d_context=config.unet.d_context,
        n_times=N_TIMES,
    )
    return str(card)


def _row(name: str, part: Any, code: str | None) -> tuple[str, str, str, str]:
    size = f"{sum(p.numel() for p in part.parameters()):,}" if isinstance(part, nn.Module) else ""
    return f"`{name}`", type(part).__name__, f"`{name}/{code}`" if code else "diffusers", size
