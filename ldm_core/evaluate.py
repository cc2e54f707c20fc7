"""How good are the samples: python -m ldm_core.evaluate makes unpicked samples and prints a table.

The judge is classifier.safetensors in the folder of the weights, which sampling never uses.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .checks import InputError, check_whole
from .command_line import (
    Parser,
    add_model_options,
    add_sampling_options,
    complain,
    exit_status,
    given_options,
    say,
)
from .data.datasets import DATASETS, load_dataset
from .diffusion.settings import SamplingSettings
from .evaluation.classifier import load_classifier
from .evaluation.metrics import check_installed
from .evaluation.report import evaluate, table
from .files.weights import weights_of
from .files.whole_file import whole_file
from .inputs import MAX_SEED
from .latent_diffusion import LatentDiffusion

PROGRAM = "python -m ldm_core.evaluate"
EVALUATION = "evaluation.json"  # beside the weights; the page shows it


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(PROGRAM, lambda: _evaluate(args))


def _evaluate(args: argparse.Namespace) -> None:
    check_installed()
    given = given_options(args)
    SamplingSettings.from_dict(given)  # an error now rather than after the data are loaded
    check_whole("--count", args.count, 100, 60_000)
    check_whole("--words-count", args.words_count, 0, 60_000)
    check_whole("--seed", args.seed, 0, MAX_SEED)
    model = LatentDiffusion.load(args.weights, args.device, args.backend)
    judge = load_classifier(args.weights / "classifier.safetensors").to(model.device)
    data = load_dataset(args.dataset, args.data_dir, train=True)
    test = load_dataset(args.dataset, args.data_dir, train=False)
    for what, names in (("weights", model.class_names), ("judge", judge.config.class_names)):
        if names != data.class_names:
            raise InputError(
                f"The {what} in {args.weights} know other classes ({', '.join(names)}) than "
                f"--dataset {args.dataset} has ({', '.join(data.class_names)})."
            )
    if args.words_count and model.vocabulary is None:
        complain(PROGRAM, "these weights know labels only; there are no words to measure")
    settings = model.settings(**given)
    report = evaluate(
        model, judge, data, test, settings, args.count, args.seed, words_count=args.words_count
    )
    report["weights"] = weights_of(model)
    say(json.dumps(report) if args.json else table(report))
    if args.save:
        with whole_file(args.weights / EVALUATION) as partial:
            partial.write_text(json.dumps(report) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add_model_options(parser)
    add("--dataset", default="mnist", help=f"{', '.join(DATASETS)}, or a folder (mnist)")
    add(
        "--data-dir",
        type=Path,
        default=Path("data"),
        help="where the data set is, or is downloaded to (data)",
    )
    add(
        "--count",
        type=int,
        default=10_000,
        help="samples, of each class as often as in the training set (10000)",
    )
    add(
        "--words-count",
        type=int,
        default=1000,
        help="samples of each word of style; two words together have a quarter, sliders and the "
        "negative prompt half; 0 leaves words out (1000)",
    )
    add("--seed", type=int, default=0, help="of the first sample; sample i has seed + i (0)")
    add("--json", action="store_true", help="print one JSON object instead")
    add("--save", action="store_true", help=f"also write {EVALUATION} beside the weights")
    add_sampling_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
