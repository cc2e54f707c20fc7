"""Where the files of a model are: in a folder, or on the Hugging Face Hub.

huggingface_hub is imported when a name of the Hub is met: most programs never need it.
"""

import re
from pathlib import Path
from typing import Any

from ..checks import UserError

VAE_FILE, UNET_FILE = "vae.safetensors", "unet.safetensors"
STUDENT_FILE = "student.safetensors"
COMPANIONS = (  # may lie beside them
    STUDENT_FILE,
    "classifier.safetensors",
    "evaluation.json",
    "ablations.json",
    "attention.json",
    "samplers.json",
    "digits.png",
    "training.gif",
)
HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+")  # user/name


def weights_folder(weights: str | Path, **options: Any) -> Path:
    """Return the folder of a model: `weights` itself, or its download from the Hub.

    What exists is a folder; "user/name" is otherwise a model of the Hub; all else is a folder that
    is missing, such as "./user/name". options: of `huggingface_hub.snapshot_download`, for the Hub
    only: `revision`, `token`, `cache_dir`, `local_files_only`, `force_download`. Raises UserError
    if the Hub has no such model, does not let us read it, or cannot be reached.
    """
    if Path(weights).exists() or not HUB_NAME.fullmatch(str(weights)):
        return Path(weights)
    return _download(str(weights), options)


def _download(name: str, options: dict[str, Any]) -> Path:
    from huggingface_hub import errors, snapshot_download

    missing = f"There is no folder {name}, and"
    try:
        files = [VAE_FILE, UNET_FILE, *COMPANIONS]
        return Path(snapshot_download(name, allow_patterns=files, **options))
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{missing} the Hub has no model {name} that you may read; for a private or gated one, "
            "log in with: hf auth login."
        ) from error
    except (errors.HFValidationError, errors.HTTPError, OSError) as error:
        cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else error
        said = " ".join(str(cause or error).split()).rstrip(".")
        raise UserError(
            f"{missing} the Hub could not be asked for a model of that name ({said})."
        ) from error
