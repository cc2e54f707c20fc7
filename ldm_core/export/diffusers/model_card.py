"""The model card of the export: what is in the folder, and what it does by default."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ...latent_diffusion import LatentDiffusion
from ...model.vocabulary import HIGH
from .networks import N_TIMES

CARD = """\
---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
tags:
- latent-diffusion
- stable-diffusion
- education
---

# Miniature Stable Diffusion

A latent diffusion model that draws grey pictures of 28 × 28 pixels. Its classes: {classes}.

```python
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("this-folder", trust_remote_code=True)
{example}
```

`prompt` takes {words}

`label` takes the index of a class, from 0 to {last}, or None for any class. Prompts and labels may
be lists, with something for each picture. Without both, it draws a picture of any class.

| argument | if it is not given |
|---|---|
{defaults}

{remark}

| part | class | code | parameters |
|---|---|---|---|
{parts}

{learned:,} parameters of the U-Net were learned; the others belong to layers that do nothing.
What is not diffusers' own is loaded with `trust_remote_code=True` only; its code stands in this
folder, to be read before. The U-Net needs none of it:

```python
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("this-folder", subfolder="unet")
v = unet(x_t, n, encoder_hidden_states=tokens, class_labels=tokens.mean(dim=1)).sample
```

It takes a noisy latent x_t (B, 4, 8, 8), a timestep n from 0 to {last_time} and tokens of the text
encoder (B, {n_tokens}, {d_context}), and predicts v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar)
x_0 (Salimans & Ho 2022). Timestep n is the time t = (n + 1) / {n_times}. `guidance_interval` counts
in t.

Another scheduler takes the place of this one with `from_config(pipe.scheduler.config)`. Steps whose
number divides {n_times} are equally long. Others are rounded to the {n_times} timesteps; some
numbers above 90, which the scheduler would miscount, are refused.
"""


def model_card(
    model: LatentDiffusion, parts: Mapping[str, Any], settings: Mapping[str, Any], sampler: str
) -> str:
    """Markdown with front matter, as model hubs read it. sampler: ours that the scheduler is."""
    return CARD.format(
        classes=", ".join(model.class_names),
        last=len(model.class_names) - 1,
        example=_example(model),
        words=_words(model),
        defaults="\n".join(f"| `{name}` | {value} |" for name, value in settings.items()),
        remark=_remark(model, parts, sampler),
        parts="\n".join(_row(name, part) for name, part in parts.items()),
        learned=sum(p.numel() for p in model.unet.parameters()),
        n_tokens=model.config.conditioning.n_tokens,
        d_context=model.config.unet.d_context,
        n_times=N_TIMES,
        last_time=N_TIMES - 1,
    )


def _example(model: LatentDiffusion) -> str:
    lines = ["pictures = pipe(label=[0, None], num_inference_steps=16).images"]
    if vocabulary := model.vocabulary:
        phrases = [vocabulary.phrases(name, HIGH)[0] for name in vocabulary.styles[:1]]
        prompt = " ".join(map(vocabulary.write, [*phrases, (vocabulary.class_row(0),)]))
        lines.insert(0, f"pipe(prompt={prompt!r}).images[0].show()")
    return "\n".join(lines)


def _words(model: LatentDiffusion) -> str:
    vocabulary = model.vocabulary
    if vocabulary is None:
        return "nothing here: these weights know labels only."
    words = ", ".join("/".join(row) for row in vocabulary.rows if row)
    styles = ", ".join(f'"{name}"' for name in vocabulary.styles) or "nothing"
    return (
        f"at most {vocabulary.n_positions} words out of these: {words}. So does `negative_prompt`. "
        f"`style` takes an amount from -1 to 1 for each of {styles}."
    )


def _remark(model: LatentDiffusion, parts: Mapping[str, Any], sampler: str) -> str:
    """How far this is what suits the weights."""
    ours, scheduler = model.defaults, type(parts["scheduler"]).__name__
    missing = [
        said
        for said, is_other in (
            (f"the sampler {ours.sampler}", ours.sampler != sampler),
            (f"the spacing {ours.spacing}", ours.spacing != "time"),
            (f"eta = {ours.eta:g}", ours.eta != 0),
        )
        if is_other
    ]
    if not missing:
        return f"These settings and {scheduler} are those that suit the weights."
    return (
        f"These settings suit the weights together with {' and '.join(missing)}, which is not to "
        f"be had here. The scheduler is {scheduler} with equal steps in time instead: try other "
        "settings, too."
    )


def _row(name: str, part: Any) -> str:
    module = type(part).__module__
    is_stock = module.partition(".")[0] == "diffusers"
    code = "diffusers" if is_stock else f"`{name}/{module.rpartition('.')[2]}.py`"
    size = f"{sum(p.numel() for p in part.parameters()):,}" if isinstance(part, nn.Module) else ""
    return f"| `{name}` | {type(part).__name__} | {code} | {size} |"
