"""Prompts or labels -> condition tokens: tokenizer and text encoder of the miniature Stable
Diffusion as a model of diffusers."""

from collections.abc import Sequence

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from ...config import ConditioningConfig
from ...model.conditioning import Conditioning, Positions


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

    def forward(self, prompts: Positions) -> Tensor:
        """prompts, as `model.read` returns them -> tokens of the negative ones, then of the others,
        (2 B, n_tokens, d_context)."""
        # The weights of words are float32, and half the precision would save nothing here.
        context = self.model.float().encode(prompts)
        return torch.cat([context.null, context.tokens])
