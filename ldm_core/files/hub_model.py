"""A model on its way to the Hugging Face Hub: its files, and its model card."""

import json
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelHubMixin
from torch import nn

from ..model.vocabulary import HIGH, Vocabulary
from .checkpoint import read_checkpoint
from .hub import COMPANIONS, STUDENT_FILE, UNET_FILE, VAE_FILE
from .weights import save_unet, save_vae, teacher_of, weights_of

ABOUT = {"license": "mit", "pipeline_tag": "text-to-image"}  # of every model card
TAGS = ("latent-diffusion", "stable-diffusion", "education")
HEAD = """\
---
{{ card_data }}
---

# Miniature Stable Diffusion

A latent diffusion model that draws grey pictures of 28 × 28 pixels. Its classes:
{{ model.class_names | join(", ") }}.

```python
"""
CARD = (
    HEAD
    + """\
from ldm_core import LatentDiffusion

model = LatentDiffusion.from_pretrained("{{ name }}")
pictures = model.generate([0, {{ prompt.__repr__() }}, None])  # uint8 (3, 28, 28)
```

```sh
python -m ldm_core.sample --weights {{ name }} --count 10 --out ten.gif
```

A prompt has at most {{ model.vocabulary.n_positions }} words out of these: {{ words }}.
{% if records %}
| file | learned from | steps | time | loss | made on |
|---|---|---|---|---|---|
{% for file, r in records %}| `{{ file }}` | {{ r.dataset }}: {{ r.settings.data }} | \
{{ "{:,}".format(r.steps) }} | {{ "%.0f" | format(r.seconds / 60) }} min | {{ r.loss }} | \
{{ r.date }}, {{ r.environment.device }}, PyTorch {{ r.environment.torch }} |
{% endfor %}{% endif %}
| default setting | |
|---|---|
{% for setting, value in model.defaults.to_dict().items() %}| `{{ setting }}` | {{ value }} |
{% endfor %}{% if measured %}
`python -m ldm_core.evaluate`, {{ "{:,}".format(measured.count) }} samples from seed \
{{ measured.seed }} on:

| | samples | real test images |
|---|---|---|
{% for measure, value in measured.samples.items() if value is number %}\
| {{ measure | replace("_", " ") }} | {{ "%.4f" | format(value) }} | \
{{ "%.4f" | format(measured.real[measure]) }} |
{% endfor %}{% endif %}"""
)


class HubModel(
    ModelHubMixin,
    library_name="miniature-stable-diffusion",
    tags=[*TAGS],  # the mixin appends its own to the list
    model_card_template=CARD,
    **ABOUT,
):
    """A model as huggingface_hub's mixin takes it.

    It stands beside LatentDiffusion rather than below it, because the mixin takes a tenth of a
    second to import, and asks for a `config.json`, which our checkpoints carry inside.
    """

    def __init__(self, model: nn.Module, name: str):
        """model: a `LatentDiffusion`. name: of the folder or of the Hub, for the model card."""
        self.model, self.name = model, name
        self._hub_mixin_config = None  # or `name` would be written as a configuration

    def _save_pretrained(self, save_directory: Path) -> None:
        model = self.model
        save_vae(save_directory / VAE_FILE, model.vae, model.records.get("vae", {}))
        save_unet(save_directory / UNET_FILE, model, model.records.get("unet", {}))
        for source in self._companions():
            if not (save_directory / source.name).exists():
                shutil.copyfile(source, save_directory / source.name)

    def generate_model_card(self, **others: Any) -> ModelCard:
        model = self.model
        files = {"vae": VAE_FILE, "unet": UNET_FILE, "student": STUDENT_FILE}
        return super().generate_model_card(
            model=model,
            name=self.name,
            prompt=example_prompt(model.vocabulary),
            words=known_words(model.vocabulary),
            records=[(files[part], r) for part, r in model.records.items() if "steps" in r],
            measured=self._measured(),
            **others,
        )

    def _companions(self) -> list[Path]:
        folder = self.model.folder
        found = [path for name in COMPANIONS if folder and (path := folder / name).is_file()]
        return [path for path in found if path.name != STUDENT_FILE or self._is_student(path)]

    def _is_student(self, path: Path) -> bool:
        """Whether a student is of this U-Net, which may have been trained since."""
        return read_checkpoint(path, "student")[1].get("teacher") == teacher_of(self.model)

    def _measured(self) -> dict[str, Any] | None:
        """The evaluation that lies beside the weights, if it is about them."""
        found = [path for path in self._companions() if path.name == "evaluation.json"]
        reports = [json.loads(path.read_text()) for path in found]
        return next((r for r in reports if r.get("weights") == weights_of(self.model)), None)


def example_prompt(vocabulary: Vocabulary) -> str:
    """An example, such as "bold zero"."""
    phrases = [vocabulary.phrases(name, HIGH)[0] for name in vocabulary.styles[:1]]
    return " ".join(map(vocabulary.write, [*phrases, (vocabulary.class_row(0),)]))


def known_words(vocabulary: Vocabulary) -> str:
    """All words, those of the same meaning joined by strokes."""
    return ", ".join("/".join(row) for row in vocabulary.rows if row)
