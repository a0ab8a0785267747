"""Run Prefect's background services as `prefect server services start` does, with two rules more.

usage: serve_services.py

A client of the API writes the templates of automations and the content of notification blocks, which these processes
evaluate. They have the passwords of PostgreSQL and Redis, so:

1. A template reads the data of an automation and its event, and calls no method of theirs. Pydantic's methods include
   some that unpickle a text, and Prefect's actions have a method that returns a client of the API without a guard.
2. A custom webhook replaces placeholders by the secrets of its block, and not by variables of the environment.

What it cannot guard it does not run: it ends when Prefect is not built as it expects.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from prefect.blocks import notifications
from prefect.cli import app
from prefect.server.events.schemas.labelling import Labelled
from prefect.server.utilities.user_templates import UserTemplateEnvironment
from pydantic import BaseModel

# What a label collection such as event.resource offers: it reads its own labels.
LABEL_METHODS = ("get", "items", "keys", "labels")


def guard_templates() -> None:
    """Keep templates from the methods of Pydantic's models, of instances and of classes."""
    if not issubclass(UserTemplateEnvironment, SandboxedEnvironment):
        raise SystemExit("serve_services: Prefect renders templates of users outside a sandbox")
    allowed = UserTemplateEnvironment.is_safe_attribute

    def is_safe_attribute(self: Any, obj: Any, attr: str, value: Any) -> bool:
        kind = obj if isinstance(obj, type) else type(obj)
        if issubclass(kind, BaseModel):
            readable = issubclass(kind, Labelled) and not isinstance(obj, type) and attr in LABEL_METHODS
            if hasattr(BaseModel, attr) or (callable(value) and not readable):
                return False
        return bool(allowed(self, obj, attr, value))

    UserTemplateEnvironment.is_safe_attribute = is_safe_attribute


def texts_in(value: Any) -> Iterator[str]:
    """Every text in nested dictionaries and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts_in(name)
            yield from texts_in(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from texts_in(inner)


def guard_webhooks() -> None:
    """Keep custom webhooks from the environment, whose variables are written `{{ $NAME }}`."""
    replace, placeholders = notifications.apply_values, notifications.find_placeholders

    def apply_values(template: Any, values: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if any(placeholder.name.startswith("$") for text in texts_in(template) for placeholder in placeholders(text)):
            raise ValueError("A webhook of this deployment cannot use variables of the environment.")
        return replace(template, values, *args, **kwargs)

    notifications.apply_values = apply_values


def main() -> None:
    guard_templates()
    guard_webhooks()
    sys.argv[1:] = ["server", "services", "start"]
    sys.exit(app())


if __name__ == "__main__":
    main()
