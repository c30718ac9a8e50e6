"""`sealstream models`: which models are registered, how they did, and which are in force."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sealstream.cli.key_registration import Actor, SignsAs, SignsWith
from sealstream.cli.output import emit
from sealstream.people.author import Author

if TYPE_CHECKING:
    from agents.inference.evaluation import Evaluation
    from agents.inference.standing import Changed
    from streams.storage.models import ModelRow

app = typer.Typer(help="Models: register, evaluate, activate, roll back.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Model = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A registered version")]
Name = Annotated[str, typer.Argument(help="Name of a model")]


@app.command("list")
def list_models(json: Json = False) -> None:
    """List every registered version, its stage, and its scores."""
    from sealstream.cli.curator import with_curator

    for row in with_curator(None, lambda curator: curator.models()):
        emit({**_standing(row), "scores": {name: each.score for name, each in _evaluations(row).items()}}, json)


@app.command()
def show(model: Model, json: Json = False) -> None:
    """Show one version: its manifest and evaluations; without --json its card too."""
    from agents.inference.model_store import manifest_of
    from agents.inference.standing import version_of
    from sealstream.cli.curator import with_curator

    name, version = _parts(model)
    row = version_of(with_curator(None, lambda curator: curator.models()), name, version)
    manifest = manifest_of(row)
    emit(
        {
            **_standing(row),
            "family": manifest.family,
            "task": manifest.task,
            "modality": manifest.modality,
            "languages": manifest.languages,
            "labels": manifest.labels,
            "files": manifest.files,
        },
        json,
    )
    for evaluation in _evaluations(row).values():
        _show_evaluation(evaluation, json, labels=False)
    if not json:
        typer.echo(f"\n{row.card}")


@app.command()
def add(
    directory: Annotated[Path, typer.Argument(help="Model directory: model.json, its files, card.md")],
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Copy a model into the store and register it as a candidate."""
    from sealstream.cli.curator import with_curator

    emit(_standing(with_curator(Author(actor, by, key), lambda curator: curator.add(directory))), False)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME@VERSION, or a model directory")],
    data: Annotated[Path, typer.Option(help="Labelled data: a file or a folder")],
    form: Annotated[str | None, typer.Option("--form", help="Form of the data; by default the usual one")] = None,
    dataset: Annotated[str | None, typer.Option(help="What the data is called; by default its folder and name")] = None,
    labels: Annotated[bool, typer.Option("--labels", help="Each label too")] = False,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
    json: Json = False,
) -> None:
    """Measure a model on labelled data; what a registered version did is recorded, with a leaf that says so."""
    from agents.inference.model_directory import read_manifest
    from sealstream.cli.curator import with_curator
    from sealstream.evaluators import dataset_name, evaluator_for

    called = dataset or dataset_name(data)
    if not called.isprintable():
        raise typer.BadParameter("the data needs a printable name; see --dataset")
    if Path(model).is_dir():
        path = Path(model)
        _show_evaluation(evaluator_for(read_manifest(path), form)(path, data, called), json, labels)
        return
    name, version = _parts(model)

    author = Author(actor, by, key)
    path = with_curator(None, lambda curator: curator.place(name, version))
    evaluation = evaluator_for(read_manifest(path), form)(path, data, called)
    with_curator(author, lambda curator: curator.evaluated(name, version, evaluation))
    _show_evaluation(evaluation, json, labels)


@app.command()
def quantize(
    source: Annotated[Path, typer.Argument(help="Model directory, with an ONNX encoder", file_okay=False)],
    target: Annotated[Path, typer.Argument(help="Directory of the INT8 version", file_okay=False)],
    version: Annotated[str, typer.Option(help="Of the new one")],
    data: Annotated[Path, typer.Option(help="Labelled texts that both are measured on: CSV with text and category")],
    calibration: Annotated[
        Path | None, typer.Option(help="Other texts, likewise: static scales of activations instead of dynamic ones")
    ] = None,
    json: Json = False,
) -> None:
    """Write an INT8 version of a text classifier and measure both; `add` and `activate` it when it is good enough."""
    import msgspec

    from sealstream.evaluators import dataset_name
    from sealstream.evaluators.evaluation import read_labelled
    from sealstream.training.quantization import quantize as run

    texts = () if calibration is None else read_labelled(calibration, dataset_name(calibration)).texts
    method: Literal["static", "dynamic"] = "static" if texts else "dynamic"
    before, after = run(source, target, version, method, read_labelled(data, dataset_name(data)), texts)
    for name, metrics in (("before", before), ("after", after)):
        emit({"version": name, **msgspec.to_builtins(metrics)}, json)


@app.command()
def bench(
    model: Annotated[Path, typer.Argument(help="Directory of a text classifier", file_okay=False)],
    data: Annotated[Path, typer.Option(help="Labelled texts: CSV with text and category")],
    json: Json = False,
) -> None:
    """Measure accuracy, size and CPU time of a text classifier: a text alone, and all of them together."""
    import msgspec

    from agents.inference.families import CPU, load_text_model
    from agents.inference.model_directory import open_directory
    from sealstream.evaluators import dataset_name
    from sealstream.evaluators.evaluation import evaluate as measure
    from sealstream.evaluators.evaluation import read_labelled

    directory = open_directory(model)
    metrics = measure(load_text_model(directory, CPU), directory, read_labelled(data, dataset_name(data)))
    emit(msgspec.to_builtins(metrics), json)


@app.command()
def activate(
    model: Model,
    share: Annotated[int, typer.Option(min=1, max=100, help="Percent of the records that it answers")] = 100,
    shadow: Annotated[bool, typer.Option("--shadow", help="Run beside the active version, answers unused")] = False,
    max_loss: Annotated[float, typer.Option(min=0, max=1, help="How much worse than the active one it may be")] = 0.01,
    unevaluated: Annotated[str | None, typer.Option(help="Why it needs no evaluation; stands in the logs")] = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Put a version in force for all records or a share, or beside the active one as a shadow."""
    from agents.models.curator import Trust
    from sealstream.cli.curator import with_curator

    if shadow and share != 100:
        raise typer.BadParameter("a shadow answers nothing: give --share or --shadow")
    name, version = _parts(model)
    trust = Trust(max_loss, unevaluated)
    _show_changes(
        with_curator(
            Author(actor, by, key),
            lambda curator: curator.activate(name, version, share=share, shadow=shadow, trust=trust),
        )
    )


@app.command()
def rollback(name: Name, actor: Actor = None, by: SignsAs = None, key: SignsWith = None) -> None:
    """Undo the last activation: end a trial, or else go back to the version that was active before."""
    from sealstream.cli.curator import with_curator

    _show_changes(with_curator(Author(actor, by, key), lambda curator: curator.roll_back(name)))


@app.command()
def retire(model: Model, actor: Actor = None, by: SignsAs = None, key: SignsWith = None) -> None:
    """Take a version out of use; its files and its row stay, since results name it."""
    from sealstream.cli.curator import with_curator

    name, version = _parts(model)
    _show_changes(with_curator(Author(actor, by, key), lambda curator: curator.retire(name, version)))


@app.command()
def report(
    name: Name,
    pairs: Annotated[int, typer.Option(min=0, help="Most frequent disagreements to show, of each trial")] = 20,
    json: Json = False,
) -> None:
    """How often versions on trial disagreed with the active ones, and on which labels."""
    from agents.models.trial_report import trial_reports
    from sealstream.cli.curator import with_curator

    rows = with_curator(None, lambda curator: curator.comparisons(name))
    for each in trial_reports(rows):
        emit(
            {
                "active": each.active,
                "trial": each.trial,
                "records": each.records,
                "disagreed": each.disagreed,
                "unanswered": each.unanswered,
            },
            json,
        )
        for row in each.pairs[:pairs]:
            emit({"label": row.label, "trial_label": row.trial_label, "records": row.records}, json)


def _parts(model: str) -> tuple[str, str]:
    name, at, version = model.partition("@")
    if not (name and at and version):
        raise typer.BadParameter("name a version as NAME@VERSION; see `sealstream models list`")
    return name, version


def _standing(row: "ModelRow") -> dict[str, object]:
    return {
        "model": f"{row.name}@{row.version}",
        "digest": row.digest,
        "stage": row.stage,
        "share": row.share or None,
        "shadow": row.shadow or None,
        "follows": row.follows,
    }


def _evaluations(row: "ModelRow") -> "dict[str, Evaluation]":
    from agents.inference.evaluation import decode_evaluations

    return decode_evaluations(row.metrics)


def _show_changes(changed: "Iterable[Changed]") -> None:
    for each in changed:
        emit({"change": each.change, **_standing(each.row)}, False)


def _show_evaluation(evaluation: "Evaluation", json: bool, labels: bool) -> None:
    """A table for people, one object for programs."""
    import msgspec

    if json:
        emit(msgspec.to_builtins(evaluation), True)
        return
    rows: list[Sequence[str]] = [
        ("items", str(evaluation.items)),
        ("score", f"{evaluation.score:.4f}"),
        ("macro-F1", f"{evaluation.macro_f1:.4f}"),
    ]
    if evaluation.calibration_error is not None:
        rows.append(("calibration error (ECE)", f"{evaluation.calibration_error:.4f}"))
    rows.append(("coverage", f"{evaluation.coverage:.4f}"))
    if evaluation.covered_score is not None:
        rows.append(("score where it decides", f"{evaluation.covered_score:.4f}"))
    typer.echo(f"{evaluation.dataset}  sha256:{evaluation.digest}")
    for name, value in rows:
        typer.echo(f"  {name:<24} {value:>8}")
    if labels:
        typer.echo(f"  {'label':<44} {'support':>7} {'prec.':>6} {'recall':>6} {'F1':>6}")
        for name, each in evaluation.labels.items():
            typer.echo(f"  {name:<44} {each.support:>7} {each.precision:>6.3f} {each.recall:>6.3f} {each.f1:>6.3f}")
