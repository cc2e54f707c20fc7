"""A folder of shards: .npz files of as many images each, which one process or several make.

A shard depends on its settings and on the number of its first image, so the number of processes
changes no byte. Shards are whole or absent; the same settings make what is missing.
"""

import dataclasses
import json
from pathlib import Path

from ..checks import InputError
from ..files.metadata import read_settings
from ..files.whole_file import remove_leftovers
from ..latent_diffusion import LatentDiffusion
from ..runtime.processes import Processes
from .file_settings import FileSettings, Morph
from .sample_files import n_batches, progress_bar, stored, write_arrays

SHARD = 1000  # images
SHARDS = "[0-9]*.npz"  # not the hidden names of unfinished files


def write_shards(
    folder: Path,
    model: LatentDiffusion,
    settings: FileSettings,
    processes: Processes,
    replace: bool = False,
) -> FileSettings:
    """Make the shards that are missing in a folder; return the settings with everything filled in.

    A shard is named by the number of its first image. Without a seed, the shards that are there
    give it. replace: make all of them anew. Raises InputError for a morph, an unknown label, and
    shards of other settings or weights.
    """
    if isinstance(settings.images, Morph):
        raise InputError("A morph goes into one file: give --out a name with an ending.")
    settings, missing = processes.from_first(lambda: _plan(folder, model, settings, replace))
    own = missing[processes.rank :: processes.count]
    batches = sum(n_batches(model, indices) for indices in own)
    with progress_bar(folder.name, batches, hidden=not processes.first) as counted:
        for indices in own:
            path = folder / shard_name(indices.start)
            remove_leftovers(path)
            write_arrays(path, model, settings, indices, counted)
    processes.union({})  # all are done
    return settings


def shard_name(first: int) -> str:
    """The name of the shard whose first image has this number: all sort as their images do."""
    return f"{first:010}.npz"


def _plan(
    folder: Path, model: LatentDiffusion, settings: FileSettings, replace: bool
) -> tuple[FileSettings, list[range]]:
    """The settings filled in, and the images of each shard that is missing."""
    there = sorted(folder.glob(SHARDS))
    if replace:
        for path in there:
            path.unlink()
        there = []
    images = settings.images
    if there and images.seed is None:
        images = dataclasses.replace(images, seed=read_settings(there[0]).get("seed"))
    images = images.settled(model.class_names)
    settings = dataclasses.replace(settings, images=images)
    all_images, firsts = range(images.count), range(0, images.count, SHARD)
    missing = {shard_name(first): all_images[first : first + SHARD] for first in firsts}
    own = json.loads(json.dumps(stored(model, settings)))
    for path in there:
        if path.name not in missing or read_settings(path) != own:
            raise InputError(
                f"{path} was made with other settings or weights. Take another folder, or make all "
                "of it anew with --force."
            )
        del missing[path.name]
    return settings, list(missing.values())
