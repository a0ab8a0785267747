"""Run Prefect's background services like `prefect server services start`, with two additional rules.

usage: serve_services.py

API clients write the templates of automations and the content of notification blocks, which these processes evaluate.
The processes have the passwords of PostgreSQL and Redis. Therefore:

1. A template can read the data of an automation and its event, but cannot call their methods. Some methods of Pydantic
   unpickle a text, and Prefect's actions have a method that returns an API client without protection.
2. A custom webhook replaces placeholders with the secrets of its block, and not with environment variables.

If the code of Prefect is not as expected, the program cannot enforce these rules, and ends with an error.
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

# Methods of a label collection such as event.resource, which read its labels.
LABEL_METHODS = ("get", "items", "keys", "labels")


def guard_templates() -> None:
    """Block access of templates to the methods of Pydantic's models, both instances and classes."""
    if not issubclass(UserTemplateEnvironment, SandboxedEnvironment):
        raise SystemExit("serve_services: this version of Prefect renders the templates of users outside a sandbox")
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
    """Yield every text in nested dictionaries and lists, including the keys."""
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
    """Block access of custom webhooks to environment variables, which are written `{{ $NAME }}`."""
    replace, placeholders = notifications.apply_values, notifications.find_placeholders

    def apply_values(template: Any, values: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if any(placeholder.name.startswith("$") for text in texts_in(template) for placeholder in placeholders(text)):
            raise ValueError("Webhooks of this deployment cannot use environment variables.")
        return replace(template, values, *args, **kwargs)

    notifications.apply_values = apply_values


def main() -> None:
    guard_templates()
    guard_webhooks()
    sys.argv[1:] = ["server", "services", "start"]
    sys.exit(app())


if __name__ == "__main__":
    main()
