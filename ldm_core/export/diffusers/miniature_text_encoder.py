"""Prompts or labels -> condition tokens: tokenizer and text encoder of the miniature Stable
Diffusion as a model of diffusers."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from ...config import ConditioningConfig
from ...model.conditioning import Conditioning, Prompt, Style


class MiniatureTextEncoder(ModelMixin, ConfigMixin):
    """The arguments are those of `ConditioningConfig`; d_context: channels of a token."""

    @register_to_config
    def __init__(
        self,
        class_names: Sequence[str],
        n_tokens: int,
        vocabulary: Sequence[Sequence[str]],
        n_layers: int,
        d_context: int,
    ):
        super().__init__()
        words = {"vocabulary": tuple(vocabulary), "n_layers": n_layers}
        config = ConditioningConfig(tuple(class_names), n_tokens, **words)
        self.model = Conditioning(config, d_context)

    def read(
        self, asked: Sequence[Prompt], negative: Sequence[Prompt], style: Style | None = None
    ) -> Any:
        """Make the input of `forward`. asked: for each image a prompt, a class index, or None;
        negative: the same for negative prompts. Raises InputError for what the model does not
        know."""
        return self.model.read(asked, negative, style)

    def says_something(self, asked: Sequence[Prompt]) -> bool:
        """Whether any of the prompts is not empty."""
        return self.model.says_something(asked)

    def forward(self, prompts: Any) -> Tensor:
        """prompts, as `read` returns them -> tokens of the negative prompts, then of the prompts,
        (2 B, n_tokens, d_context)."""
        # The weights of words are float32, and half the precision would save nothing here.
        context = self.model.float().encode(prompts)
        return torch.cat([context.null, context.tokens])
