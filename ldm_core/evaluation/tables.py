"""A report as Markdown tables."""

from collections.abc import Iterable

Cell = str | float | None


def tables(report: dict) -> str:
    """All tables of what `evaluate` returns; a dash where there is no figure."""
    samples, real, decoded = report["samples"], report["real"], report["reconstructions"]
    by_class, real_by_class = samples["accuracy_by_class"], real["accuracy_by_class"]
    ratio = lambda name: f"{samples[name] / real[name]:.3f}" if real[name] else None
    measures = [name for name in samples if name != "accuracy_by_class"]
    lines = [
        f"{report['count']} samples, seeds from {report['seed']}, "
        + ", ".join(f"{name} {value}" for name, value in report["settings"].items()),
        f"VAE reconstruction: {report['reconstruction_psnr_db']:.2f} dB PSNR",
        "Fréchet distance of other sets of as many real test images: "
        f"{real['frechet_distance']:.4f} ± {report['real_frechet_deviation']:.4f}",
        *table(
            "| samples | real test images | samples / real | VAE reconstructions",
            ([m.replace("_", " "), samples[m], real[m], ratio(m), decoded[m]] for m in measures),
        ),
        *(tables_of_teacher(report["teacher"]) if report.get("teacher") else []),
        *table(
            "class | accuracy of samples | of real test images",
            ([name, share, real_by_class[name]] for name, share in by_class.items()),
        ),
        *(tables_of_words(report["words"]) if report["words"] else []),
    ]
    return "\n".join(lines)


def tables_of_teacher(teacher: dict) -> list[str]:
    """The line for what `beside_teacher` returns."""
    grey_levels, same = teacher["grey_levels"], teacher["same_digit"]
    return [
        "",
        f"Beside the teacher's pictures of the same seeds: {grey_levels:.2f} grey levels apart on "
        f"average, {same:.2%} show the same digit.",
    ]


def tables_of_words(words: dict) -> list[str]:
    """The lines of the tables for what `measure_obedience` returns."""
    if not words["single"]:
        return ["", "The names of the classes leave these weights no words of style."]
    lines = table(
        f"word {_counted(words['single'])} | right side | without the word | real test images | "
        "asked third | without the word | real test images | label accuracy",
        (
            [row["word"], *_beside(row, "right_side"), *_beside(row, "asked_third")]
            + [row["label_accuracy"]]
            for row in words["single"]
        ),
    )
    if words["pairs"]:
        lines += table(
            f"two words {_counted(words['pairs'])} | both on the right side | without the words | "
            "real test images | first | second | label accuracy",
            (
                [", ".join(row["words"]), *_beside(row, "right_side"), *row["right_side_each"]]
                + [row["label_accuracy"]]
                for row in words["pairs"]
            ),
        )
    if row := words["negative"]:
        lines += table(
            f"negative prompt {_counted([row])} | {row['property']} without | with | "
            "move / distance of the thirds | label accuracy without | with",
            [[row["word"], *row["means"], row["move"], *row["label_accuracy"]]],
        )
    positions = " | ".join(f"{at:g}" for at in words["sliders"][0]["positions"])
    return lines + table(
        f"slider {_counted(words['sliders'])} | {positions} | rises | "
        "lowest third of the training set | highest third",
        (cells for row in words["sliders"] for cells in _slider(row)),
    )


def _slider(row: dict) -> list[list[Cell]]:
    name, (low, _, high) = " to ".join(row["words"]), row["training_means"]
    rises = "yes" if row["rises"] else "no"
    return [
        [f"{name}: {row['property']}", *row["means"], rises, low, high],
        [f"{name}: label accuracy", *row["label_accuracy"], "", "", ""],
    ]


def _beside(row: dict, key: str) -> list[Cell]:
    """A figure with the words, without them, and of real pictures."""
    return [row[key], row["without"][key], row["real"][key]]


def _counted(rows: list[dict]) -> str:
    return f"({rows[0]['count']} samples)"


def table(head: str, rows: Iterable[list[Cell]]) -> list[str]:
    """The lines of a table, after an empty one. head: names of columns, separated by |."""
    cells = [[_shown(cell) for cell in row] for row in rows]
    lines = [head, " | ".join(["---"] * (head.count("|") + 1)), *map(" | ".join, cells)]
    return ["", *(f"| {line.strip()} |".replace("  ", " ") for line in lines)]


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    return cell if isinstance(cell, str) else f"{cell:.4f}"
