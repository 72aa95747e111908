"""The deployment's files as data, and what the code itself says about settings and metrics."""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

import services
from services.runtime.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = ("donations", "ledger", "gateway")


def load_yaml(name: str) -> dict[str, Any]:
    """A YAML file of deploy/ as one mapping, anchors and merges resolved."""
    document = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    assert isinstance(document, dict), f"{name} is no mapping"
    return document


def settings_class(service: str) -> type[BaseSettings]:
    """The one settings class that services/<service>/settings.py defines."""
    module = importlib.import_module(f"services.{service}.settings")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServerSettings)
        and value.__module__ == module.__name__
    ]
    assert len(found) == 1, f"services.{service}.settings defines {found}"
    return found[0]


@cache
def settings_of(service: str) -> dict[str, bool]:
    """The environment variables that a service reads, each with whether it is required."""
    settings = settings_class(service)
    prefix = settings.model_config["env_prefix"]
    return {
        f"{prefix}{name}".upper(): field.is_required()
        for name, field in settings.model_fields.items()
    }


@dataclass(frozen=True)
class Family:
    """A metric as it is exposed: its sample names and its labels."""

    samples: frozenset[str]
    labels: frozenset[str]


_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}


@cache
def code_metrics() -> tuple[Family, ...]:
    """Every metric that the services define, found by importing all of their modules."""
    for module in pkgutil.walk_packages(services.__path__, "services."):
        room = module.name.split(".")[1]
        composition = re.search(r"\.(__main__|migrations|launch)(\.|$)", module.name)
        if room in (*SERVICES, "runtime") and not composition:
            importlib.import_module(module.name)
    families = []
    for collector in {*REGISTRY._collector_to_names}:
        for metric in collector.collect():
            # One that is made when asked says its labels itself; else its collector does.
            labels = getattr(metric, "_labelnames", ()) or getattr(collector, "_labelnames", ())
            suffixes = _SUFFIXES.get(metric.type, ())
            families.append(
                Family(frozenset(metric.name + suffix for suffix in suffixes), frozenset(labels))
            )
    return tuple(families)
