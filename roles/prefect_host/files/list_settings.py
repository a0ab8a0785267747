"""Print the names of the environment variables that the installed Prefect and its integrations read, as a JSON list.

Runs in Prefect's virtual environment. It imports what a deployment runs, so it also fails if a package is missing.
"""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pydantic
import pydantic_settings

INTEGRATIONS = ("prefect_kubernetes", "prefect_redis")
PROGRAMS = ("prefect.cli", "prefect.engine", "prefect.server.api.server", "prefect.workers.process")
# Prefect reads a few variables itself, for example PREFECT_SERVER_ENCRYPTION_KEY.
READ = re.compile(r"""(?:getenv\(|environ\.get\(|environ\[)\s*["'](PREFECT_\w+)["']""")


def loaded(package: str) -> ModuleType:
    """Import an integration with all its modules, so that its settings are known."""
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)
    return found


def subclasses(kind: type) -> Iterator[type]:
    """Yield all classes that inherit from one."""
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def variables(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the variables of a class of settings, with their aliases."""
    own = model.model_config.get("env_prefix") or prefix
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            yield from variables(kind, f"{own}{name}_")
            continue
        yield own + name
        alias = field.validation_alias
        yield from (choice for choice in getattr(alias, "choices", [alias]) if isinstance(choice, str))


def read_directly(package: ModuleType) -> Iterator[str]:
    """Yield the variables that the sources of a package read without a class of settings."""
    for path in Path(str(package.__file__)).parent.rglob("*.py"):
        yield from READ.findall(path.read_text(encoding="utf-8"))


def main() -> None:
    packages = [importlib.import_module("prefect"), *map(loaded, INTEGRATIONS)]
    for program in PROGRAMS:
        importlib.import_module(program)
    found = {name.upper() for model in subclasses(pydantic_settings.BaseSettings) for name in variables(model)}
    found.update(name for package in packages for name in read_directly(package))
    print(json.dumps(sorted(name for name in found if name.startswith("PREFECT_"))))


if __name__ == "__main__":
    main()
