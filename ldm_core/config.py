"""Frozen dataclasses: everything that rebuilds a model, a training run or a sample.

They are stored as JSON inside checkpoints and images, so each can be read back with
`from_dict`, which refuses unknown keys by name instead of ignoring them.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from .checks import InputError

PICTURE_SIDE = 28  # pixels of a picture, as people see it and as MNIST stores it
IMAGE_SIDE = 32  # pixels of an image, as the VAE sees it: a picture with a border, to halve evenly
LATENT_SIDE = 8  # positions of a latent, per side
LATENT_CHANNELS = 4
NO_LABEL = "*"  # stands for no label wherever a label is text; no class can have this name


def checked(check: Callable, *limits: Any, default: Any = None) -> Any:
    """A field of a `Config` that becomes what check(name, value, *limits) returns when the config
    is made. None is allowed where it is the default."""
    apply = lambda name, value: check(name, value, *limits)
    return dataclasses.field(default=default, metadata={"check": apply})


@dataclass(frozen=True)
class Config:
    """Base of all configurations: to and from plain dictionaries."""

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if "check" in f.metadata and not (value is None and f.default is None):
                self.set(**{f.name: f.metadata["check"](f.name, value)})

    def set(self, **values: Any) -> None:
        """Replace fields by their checked form: for `__post_init__` alone, the class is frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]):
        """Build from a dictionary; raises InputError naming any unknown or missing key."""
        known = {f.name: f.type for f in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"{cls.__name__} does not know {', '.join(unknown)}; it knows {', '.join(known)}."
            )
        frozen = {}
        for name, value in values.items():
            is_config = isinstance(known[name], type) and issubclass(known[name], Config)
            if is_config and isinstance(value, dict):
                value = known[name].from_dict(value)
            elif isinstance(value, list):  # JSON has no tuples; nothing frozen holds a list
                value = tuple(value)
            frozen[name] = value
        try:
            return cls(**frozen)
        except TypeError as error:
            raise InputError(f"{cls.__name__}: {error}") from error


@dataclass(frozen=True)
class VAEConfig(Config):
    """The autoencoder: image (B, 1, 32, 32) <-> latent (B, latent_channels, 8, 8)."""

    latent_channels: int = LATENT_CHANNELS
    width: int = 48  # channels at 16x16; twice as many at 8x8, where channels cost little
    n_blocks: int = 2  # residual blocks at 8x8, in the encoder and in the decoder


@dataclass(frozen=True)
class UNetConfig(Config):
    """The denoising network: two resolutions, 8x8 and 4x4."""

    latent_channels: int = LATENT_CHANNELS
    channels: tuple[int, ...] = (64, 128)  # per resolution, finest first
    d_head: int = 32  # width of one attention head
    d_context: int = 64  # width of one condition token
    d_time: int = 256  # width of the time embedding
    # The middle, at the coarsest resolution, has the only spatial transformer; otherwise each stage
    # has one. What is trained today is so: a step takes 0.6 of the time, and learns nearly as much.
    middle_only: bool = False


@dataclass(frozen=True)
class NoiseScheduleConfig(Config):
    # sqrt(alpha_bar) at t = 1. It is nearly pure noise, but not quite: log-SNR stays finite, and
    # multistep solvers can take their first step. Stable Diffusion's 0.068 is too much, since the
    # mean brightness of the image leaks through (Lin et al. 2023).
    terminal_signal: float = 0.01


@dataclass(frozen=True)
class ConditioningConfig(Config):
    """What prompts may be: classes, which are the prompts of their names, and other words.

    vocabulary: the spellings of each word: first none for the empty word, then those of the classes
    (see `vocabulary.py`). n_tokens: condition tokens of an image. They are the positions of a
    prompt, with one word each; sentences of the captions have at most as many. n_layers: of the
    text encoder.
    """

    class_names: tuple[str, ...]
    n_tokens: int = 12
    vocabulary: tuple[tuple[str, ...], ...] = dataclasses.field(kw_only=True)
    n_layers: int = 2

    def __post_init__(self):
        rows = self.vocabulary  # JSON has lists
        is_table = isinstance(rows, tuple) and all(isinstance(row, tuple | list) for row in rows)
        if not is_table or len(rows) <= len(self.class_names):
            raise InputError("vocabulary must be a list of spellings for each word and class.")
        self.set(vocabulary=tuple(map(tuple, rows)))
        if len(set(self.class_names)) < len(self.class_names) or NO_LABEL in self.class_names:
            raise InputError(
                f"The names of classes must differ, and none may be {NO_LABEL}: "
                f"{', '.join(self.class_names)}."
            )


@dataclass(frozen=True)
class ModelConfig(Config):
    """All parts of a `LatentDiffusion`, nested as in its dictionary."""

    vae: VAEConfig = VAEConfig()
    unet: UNetConfig = UNetConfig()
    noise_schedule: NoiseScheduleConfig = NoiseScheduleConfig()
    conditioning: ConditioningConfig = dataclasses.field(kw_only=True)


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """The judge of samples (see `classifier.py`)."""

    class_names: tuple[str, ...] = tuple("0123456789")
    width: int = 16
    d_features: int = 64


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How weights are made. On one machine, the same configuration makes the same weights."""

    seed: int = 0
    vae_batch: int = 32  # small: many steps help more than precise gradients do
    unet_batch: int = 128
    classifier_batch: int = 64
    vae_learning_rate: float = 4e-3
    vae_matrix_learning_rate: float = 6e-3  # of Muon
    # Weight of the KL divergence, in nats, beside the squared error of an image (the beta of
    # Higgins et al. 2017). It is small, because latents need to be bounded and smooth, but not
    # Gaussian: diffusion learns their distribution.
    kl_weight: float = 2e-3
    unet_learning_rate: float = 3e-3
    unet_matrix_learning_rate: float = 3e-3  # of Muon
    classifier_learning_rate: float = 2e-3
    student_batch: int = 64  # each is seen in every step of a run
    student_learning_rate: float = 2e-3
    student_matrix_learning_rate: float = 2e-3  # of Muon
    weight_decay: float = 0.01
    caption_dropout: float = 0.1  # share of captions replaced by the empty one, for guidance
    # The logistic-normal distribution of training times (Esser et al. 2024, eq. 19). Both ends are
    # easy: copy the noise, or guess the mean. The noisier middle is where a digit is decided.
    time_shift: float = 0.5
    time_spread: float = 1.2
    # Relative width of the power-function EMA (Karras et al. 2023, eq. 3). Its horizon grows with
    # the run, so one value suits short and long runs.
    ema_width: float = 0.05
