"""More like this: the same request with other seeds, drawn in one batch."""

from collections import deque
from typing import Any

from ldm_core.checks import check_whole
from ldm_core.inputs import MAX_SEED

from .requests import Request
from .runs import Runner, data_uri, in_time

COUNT = 8


def next_seeds(request: Request, after: int) -> list[int]:
    """The seeds that follow `after`, without that of the request; after the last comes 0."""
    seeds = ((after + i) % (MAX_SEED + 1) for i in range(1, COUNT + 2))
    return [seed for seed in seeds if seed != request.seed][:COUNT]


def more(runner: Runner, request: Request, after: Any) -> dict[str, Any]:
    """The finished images of the next seeds, for JSON: `settings` are those of the request, and
    each of `pictures` has its `seed` and its `src`, a data URI.

    Raises InputError for a bad `after`, UserError when it takes too long.
    """
    seeds = next_seeds(request, check_whole("after", after, 0, MAX_SEED))
    asked = [request.asked(runner.model)] * COUNT
    options = request.file_settings(runner.model).options
    steps = in_time(runner.model.denoise(asked, seeds=seeds, **options), runner.deadline_s)
    images = runner.model.decode(deque(steps, maxlen=1).pop().x_t).cpu().numpy()
    pictures = [{"seed": seed, "src": data_uri(image)} for seed, image in zip(seeds, images)]
    return {"settings": request.settings(), "pictures": pictures}
