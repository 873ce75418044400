"""A report as one page of HTML: templates, style and script of this package, with the data in it once as JSON."""

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
from archbench.reporting.charts.theme import config
from archbench.reporting.page import sections
from archbench.reporting.page.charts import measured_charts, overview_charts, training_charts
from archbench.reporting.page.contents import Material
from archbench.reporting.page.header import page_facts, page_sentences, page_title
from archbench.reporting.page.models import Hint, add_model, anchors
from archbench.reporting.page.payload import Data
from archbench.reporting.tables.model import CONVENTION

if TYPE_CHECKING:
    from archbench.reporting.page.training import Picture

_PACKAGE = "archbench.reporting.page"
_SCRIPTS = ("tables.js", "workings.js", "charts.js", "page.js")


def report_page(material: Material) -> str:
    """Return the page. It loads nothing: style, script, charts' library, pictures and data are in it."""
    from altair.utils.schemapi import debug_mode

    # Altair checks each part of each chart against its schema, which takes longer than all else together; that charts
    # are valid is shown by their tests.
    with debug_mode(False):
        data, context = _contents(material)
    return _rendered(data, context)


def _contents(material: Material) -> tuple[Data, dict[str, Any]]:
    """Return the page's data, and what its templates are given."""
    data = Data(themes={"light": config(), "dark": config(dark=True)})
    ids = anchors(material.subjects)
    explanations = [explain(subject.trace) for subject in material.subjects]
    overview = sections.add_overview(data, material, explanations, ids)
    tables = {
        "measured": sections.add_measured(data, material),
        "training": sections.add_training(data, material),
        "claims": sections.add_claims(data, material),
    }
    sections.add_environment(data, material)
    charts = {
        "overview": overview_charts(material, explanations),
        "measured": measured_charts(material),
        "training": training_charts(material),
    }
    context: dict[str, Any] = {
        "material": material,
        "title": page_title(material),
        "facts": list(page_facts(material, explanations)),
        "sentences": list(page_sentences(material)),
        "overview": overview,
        "tables": tables,
        "models": [
            add_model(data, subject, ids[subject.address], explanation, material)
            for subject, explanation in zip(material.subjects, explanations, strict=True)
        ],
        "charts": {name: [data.add_chart(spec) for spec in specs] for name, specs in charts.items()},
        "other_pictures": _other_pictures(material),
        "hints": _hints(material),
        "convention": CONVENTION,
    }
    return data, context


def _other_pictures(material: Material) -> Sequence[Picture]:
    """Return the pictures of models that were trained, but have no section here."""
    shown = {subject.address for subject in material.subjects}
    return [] if material.run is None else [each for each in material.run.pictures if each.model not in shown]


def _hints(material: Material) -> Mapping[str, Hint]:
    models = " ".join(shlex.quote(subject.address) for subject in material.subjects)
    same = f"{models}{material.input_options}"
    run = f"archbench train {models} --out DIR; archbench report {same} --run DIR"
    return {
        "measured": Hint("Nothing of these models is measured yet:", f"archbench bench {same}"),
        "training": Hint("No training run is shown:", run),
        "claims": Hint("No published figures of these models are known here:", "archbench verify --claims PATH"),
    }


def _rendered(data: Data, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Compact, and an error rather than a NaN, which JSON does not have. Names stay as they are written.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    page = environment.get_template("page.html.j2")
    script, library = "\n".join(map(_own, _SCRIPTS)), _library() if data.charts else ""
    return page.render(
        context,
        data=data.document(),
        style=Markup(_own("page.css")),
        script=Markup(script),
        library=Markup(library),
        hashes=[_hash(text) for text in (script, library)],
    )


def _own(name: str) -> str:
    return (files(_PACKAGE) / name).read_text(encoding="utf-8")


def _library() -> str:
    """Return Vega and Vega-Lite as one script."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    library = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # the snippet has a default
    assert not any(mark in library.lower() for mark in ("</script", "<!--")), "it would end the element that holds it"
    return str(library)


def _hash(script: str) -> str:
    """Return by what the page's policy knows a script as its own; no other one runs."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
