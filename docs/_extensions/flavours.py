"""A directive for Sphinx that shows both flavours of an example, async beside sync, in tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx

TABS = """\
::::{{tab-set}}
:sync-group: flavour

:::{{tab-item}} async
:sync: async

```{{literalinclude}} /examples/_async/{name}
{options}
```
:::

:::{{tab-item}} sync
:sync: sync

```{{literalinclude}} /examples/_sync/{name}
{options}
```
:::
::::
"""


class Flavours(SphinxDirective):
    """Include a file of ``docs/examples/_async``, and the one that is generated from it.

    Without options it is all below the module's docstring.
    """

    required_arguments = 1
    option_spec: ClassVar = dict.fromkeys(
        ("pyobject", "start-at", "start-after", "end-before", "end-at"),
        directives.unchanged,
    )

    def run(self) -> list[Node]:
        """Give the tabs."""
        options = {"language": "python", **self.options}
        if len(options) == 1:
            options["start-after"] = '."""'
        lines = "\n".join(f":{name}: {value}" for name, value in options.items())
        text = TABS.format(name=self.arguments[0], options=lines)
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the directive; Sphinx calls this."""
    app.add_directive("flavours", Flavours)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
