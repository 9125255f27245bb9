"""``deid text``: redact a text, and measure how well that is done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.errors import DeliveryError

text_app = typer.Typer(no_args_is_help=True, help="Redact free text, and measure it.")

Fast = Annotated[
    bool, typer.Option("--no-model", help="Forms and word lists only: faster, and finds less.")
]


def register(app: typer.Typer) -> None:
    """Add ``text``."""
    app.add_typer(text_app, name="text")


@text_app.command("redact")
def redact(
    file: Annotated[str, typer.Argument(help="A UTF-8 text file, or - for standard input.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write here instead of standard output.")
    ] = None,
    no_model: Fast = False,
) -> None:
    """Replace every identifier found in a text by its class, as in `<PERSON>`.

    No character outside of what is replaced changes. Counts by class go to standard error. What is
    left may still identify someone: a redacted text is not de-identified until it was validated.

    Example: `deid text redact note.txt -o redacted.txt`
    """
    from deid_platform.core.text.redaction import redact as redacted_text
    from deid_platform.engine.text.analyzer import TextAnalyzer

    content = _content(file)
    with progress_console.status("looking for identifiers"):
        analyzer = TextAnalyzer(names=None) if no_model else TextAnalyzer()
        redacted = redacted_text(content, analyzer.analyze([content])[0])
    if out is None:
        sys.stdout.buffer.write(redacted.text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        out.write_bytes(redacted.text.encode("utf-8"))
    for entity, count in sorted(redacted.counts().items()):
        progress_console.print(f"{entity.value}: {count:,}")


@text_app.command("evaluate")
def evaluate(
    gold: Annotated[
        Path,
        typer.Option("--gold", help="Marked texts: Presidio JSON, BRAT folder, i2b2 XML."),
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="An HTML page of every error. It quotes texts.")
    ] = None,
    no_model: Fast = False,
    as_json: AsJson = False,
) -> None:
    """Measure what is found in texts that people marked.

    Blind to the class, under two protocols: any overlap, and an intersection over union of 0.7.
    Marks that are no identifiers under Safe Harbor (nationalities, occupations, ages to 89, years)
    count neither way; the output lists them with the reason.

    Example: `deid text evaluate --gold marked.json --report errors.html`
    """
    from deid_platform.engine.text.analyzer import TextAnalyzer
    from deid_platform.engine.text.evaluate import evaluate as evaluation_of
    from deid_platform.engine.text.gold import read_gold
    from deid_platform.engine.text.report import write_report

    examples = read_gold(gold)
    with progress_console.status(f"measuring on {len(examples):,} texts"):
        analyzer = TextAnalyzer(names=None) if no_model else TextAnalyzer()
        evaluation = evaluation_of(examples, analyzer.analyze)
    if report is not None:
        write_report(evaluation, report)
    measures = evaluation.measures()
    if as_json:
        print_json(measures)
        return
    console.print(_summary(measures))
    for name, title in (("overlap", "any overlap"), ("iou_0.7", "IoU 0.7")):
        console.print(_classes(measures[name]["classes"], f"Recall by class, {title}"))
    for exempt in measures["not_identifiers"]:
        console.print(f"{exempt['marks']:,} {exempt['label']} not counted: {exempt['reason']}")


def _content(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DeliveryError(file, "is not UTF-8 text", "convert it first") from None
    except OSError:
        raise DeliveryError(file, "cannot be read", "check the path and its permissions") from None


def _summary(measures: dict[str, Any]) -> Table:
    table = Table(title=f"All identifiers in {measures['texts']:,} texts, whatever their class")
    for column in ("measure", "recall", "95 %", "precision", "95 %", "F1", "F2", "95 %"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for title, part in (
        ("any overlap", measures["overlap"]["all_phi"]),
        ("IoU 0.7", measures["iou_0.7"]["all_phi"]),
        ("tokens", measures["tokens"]),
        ("characters", measures["characters"]),
    ):
        table.add_row(
            title,
            f"{part['recall']:.3f}",
            _interval(part["recall_95"]),
            f"{part['precision']:.3f}",
            _interval(part["precision_95"]),
            f"{part['f1']:.3f}",
            f"{part['f2']:.3f}",
            _interval(part["f2_95"]),
        )
    return table


def _classes(classes: dict[str, Any], title: str) -> Table:
    table = Table(title=title)
    for column in ("class", "marked", "found", "recall", "95 %"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for label, row in classes.items():
        table.add_row(
            label,
            f"{row['marked']:,}",
            f"{row['found']:,}",
            f"{row['recall']:.3f}",
            _interval(row["recall_95"]),
        )
    return table


def _interval(pair: list[float]) -> str:
    return f"{pair[0]:.3f} to {pair[1]:.3f}"
