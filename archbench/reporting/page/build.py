"""Build the report page: the templates, style and scripts of this package, with all data once as JSON."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from archbench.analyze.explain.explain import explain
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.theme import config
from archbench.reporting.page import sections
from archbench.reporting.page.charts import measured_charts, overview_charts, training_charts
from archbench.reporting.page.contents import ReportContents
from archbench.reporting.page.findings import claims_sentence, findings
from archbench.reporting.page.header import page_sentences, page_title
from archbench.reporting.page.measures import measures
from archbench.reporting.page.models import Hint, add_model, anchors
from archbench.reporting.page.payload import PageData, packed
from archbench.reporting.tables.model import CONVENTION

if TYPE_CHECKING:
    from archbench.reporting.page.training import RunPicture

_PACKAGE = "archbench.reporting.page"
_SCRIPTS = ("tables.js", "workings.js", "charts.js", "drawings.js", "page.js")


def report_page(contents: ReportContents) -> str:
    """Return the page, which includes its style, scripts, chart library, pictures and data and loads nothing."""
    from altair.utils.schemapi import debug_mode

    # Altair's schema validation takes longer than all else together; the tests of the charts validate them.
    with debug_mode(False):
        data, context = _data_and_context(contents)
    return _rendered(data, context)


def _data_and_context(contents: ReportContents) -> tuple[PageData, dict[str, Any]]:
    """Return the page's data, and the variables of its templates."""
    data = PageData(themes={"light": config(), "dark": config(dark=True)})
    ids = anchors(contents.models)
    explanations = [explain(model.trace) for model in contents.models]
    overview = sections.add_overview(data, contents, explanations, ids)
    counted = [explanation.table for explanation in explanations]
    titles = [model_title(model.address, model.card) for model in contents.models]
    measured = measures(contents, counted)
    tables = {
        "measured": sections.add_measured(data, contents),
        "training": sections.add_training(data, contents),
        "claims": sections.add_claims(data, contents),
    }
    sections.add_environment(data, contents)
    charts = {
        "overview": overview_charts(contents, explanations),
        "measured": measured_charts(contents),
        "training": training_charts(contents),
    }
    context: dict[str, Any] = {
        "contents": contents,
        "title": page_title(titles),
        "titles": titles,
        "measures": measured,
        "findings": list(findings(titles, counted, measured)),
        "claims_sentence": claims_sentence(contents.claims) if contents.claims else "",
        "sentences": list(page_sentences(contents)),
        "overview": overview,
        "tables": tables,
        "models": [
            add_model(data, model, ids[model.address], explanation, contents)
            for model, explanation in zip(contents.models, explanations, strict=True)
        ],
        "charts": {name: [data.add_chart(spec) for spec in specs] for name, specs in charts.items()},
        "other_pictures": _other_pictures(contents),
        "hints": _hints(contents),
        "convention": CONVENTION,
    }
    return data, context


def _other_pictures(contents: ReportContents) -> Sequence[RunPicture]:
    """Return the pictures of trained models that have no section."""
    shown = {model.address for model in contents.models}
    return [] if contents.run is None else [each for each in contents.run.pictures if each.model not in shown]


def _hints(contents: ReportContents) -> Mapping[str, Hint]:
    models = " ".join(shlex.quote(model.address) for model in contents.models if model.stored_name) or "MODEL"
    same = f"{models}{contents.input_options}"
    run = f"archbench train {models} --out DIR; archbench report {same} --run DIR"
    return {
        "measured": Hint("Nothing of these models is measured yet:", f"archbench bench {same}"),
        "training": Hint("No training run is shown:", run),
        "claims": Hint("No published figures of these models are known here:", "archbench verify --claims PATH"),
    }


def _rendered(data: PageData, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Compact, readable names, and an error for NaN, which JSON lacks.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    page = environment.get_template("page.html.j2")
    script, library = "\n".join(map(_read, _SCRIPTS)), _library() if data.charts else ""
    return page.render(
        context,
        data=_compact(data.document()),
        style=Markup(_read("page.css")),
        script=Markup(script),
        library=Markup(library),
        hashes=[_hash(text) for text in (script, library)],
    )


def _compact(document: dict[str, Any]) -> dict[str, Any]:
    """Return the page's data with the charts' records compressed: they are read when the first chart is drawn."""
    return {**document, "datasets": packed(document["datasets"])}


def _read(name: str) -> str:
    return (files(_PACKAGE) / name).read_text(encoding="utf-8")


def _library() -> str:
    """Return Vega and Vega-Lite as one script."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    library = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # the snippet has a default
    assert not any(mark in library.lower() for mark in ("</script", "<!--")), "it would end the script element"
    return str(library)


def _hash(script: str) -> str:
    """Return a script's hash for the page's content security policy, which lets no other script run."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
