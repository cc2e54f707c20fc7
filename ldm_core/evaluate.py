"""Measure samples: python -m ldm_core.evaluate makes unpicked samples and prints a table.

The judge is classifier.safetensors in the folder of the weights. Sampling never uses it.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .checks import InputError, check_installed, check_whole
from .command_line import (
    Parser,
    add_model_options,
    add_sampling_options,
    exit_status,
    given_options,
    numbered,
)
from .data.datasets import DATASETS, load_dataset
from .evaluation.ablations import ablation_table, measure_ablations
from .evaluation.attention_check import attention_table, check_attention
from .evaluation.classifier import load_classifier
from .evaluation.judge import Judge
from .evaluation.report import evaluate
from .evaluation.tables import tables
from .files.hub import weights_folder
from .files.weights import weights_of
from .files.whole_file import whole_file
from .inputs import MAX_SEED
from .latent_diffusion import LatentDiffusion
from .runtime.processes import Processes, device_of, joined

PROGRAM = "python -m ldm_core.evaluate"
# What is measured, and how many samples or captions that takes. With --save it becomes NAME.json
# beside the weights; the page shows it.
COUNT = {"evaluation": 10_000, "ablations": 1000, "attention": 500}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(numbered(PROGRAM), lambda: _evaluate(args))


def _evaluate(args: argparse.Namespace) -> None:
    check_installed("torchmetrics", "Evaluation")  # before the work, not after it
    with joined(args.device, "Start it again.") as processes:
        _measure(args, processes)


def _measure(args: argparse.Namespace, processes: Processes) -> None:
    """Only the first process prints and saves; the others help it to sample."""
    given, kind = given_options(args), args.kind
    count = args.count or COUNT[kind]
    check_whole("--count", count, 100, 60_000)
    check_whole("--words-count", args.words_count, 0, 60_000)
    check_whole("--seed", args.seed, 0, MAX_SEED)
    folder = processes.in_turn(lambda: weights_folder(args.weights))
    if args.save and folder != Path(args.weights):
        raise InputError(f"--save needs a folder to write to; {args.weights} is a name of the Hub.")
    device = str(device_of(args.device, processes))
    model = LatentDiffusion.load(folder, device, args.backend)
    settings = model.settings(**given)
    if kind == "attention":
        report, shown = check_attention(model, settings, count, args.seed), attention_table
    elif kind == "ablations":
        judge = _judge(args, model, folder, processes)
        how = settings, count, args.seed, processes
        report, shown = measure_ablations(model, judge, *how), ablation_table
    else:
        judge = _judge(args, model, folder, processes)
        how = settings, count, args.seed, args.words_count, processes
        report, shown = evaluate(model, judge, *how), tables
    if not processes.first:
        return
    report["weights"] = weights_of(model)
    print(json.dumps(report) if args.json else shown(report))
    if args.save:
        with whole_file(folder / f"{kind}.json") as unfinished:
            unfinished.write_text(json.dumps(report) + "\n")


def _judge(
    args: argparse.Namespace, model: LatentDiffusion, folder: Path, processes: Processes
) -> Judge:
    classifier = load_classifier(folder / "classifier.safetensors").to(model.device)
    load = partial(load_dataset, args.dataset, args.data_dir)
    judge = Judge(classifier, *processes.in_turn(lambda: (load(train=True), load(train=False))))
    names = judge.training.class_names
    for part, known in (("weights", model.class_names), ("judge", classifier.config.class_names)):
        if known != names:
            raise InputError(
                f"The {part} in {args.weights} know other classes ({', '.join(known)}) than "
                f"--dataset {args.dataset} has ({', '.join(names)})."
            )
    return judge


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    of = lambda kind: {"dest": "kind", "action": "store_const", "const": kind}
    add_model_options(parser)
    add("--dataset", help=f"{', '.join(DATASETS)}, or a folder (mnist)", default="mnist")
    add("--data-dir", help="where the data set is, or is downloaded to (data)", type=Path)
    add("--ablations", help="of samples with each part switched off instead", **of("ablations"))
    text = "instead, whether pixels change where a word had its attention that is left out"
    add("--attention", help=text, **of("attention"))
    counts = ", ".join(map(str, COUNT.values()))
    add("--count", help=f"samples, classes as in the training set ({counts})", type=int)
    text = "samples of each word; pairs have a quarter, all else half; 0: no words (1000)"
    add("--words-count", help=text, type=int)
    add("--seed", help="of the first sample; sample i has seed + i (0)", type=int)
    add("--json", help="print one JSON object instead", action="store_true")
    names = ", ".join(f"{kind}.json" for kind in COUNT)
    add("--save", help=f"also write it beside the weights: {names}", action="store_true")
    parser.set_defaults(data_dir=Path("data"), words_count=1000, seed=0, kind="evaluation")
    add_sampling_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
