"""What all models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from attrs import AttrsInstance

__all__ = ["Model"]


class Model:
    """What all models can do."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types; see `from_dict`.

        Arguments and results keep their JSON types. Others become strings or mappings for a
        reader's eye (`repr` at worst) and do not come back.
        """
        from arqade import _structure  # noqa: PLC0415 - cattrs loads when first needed

        return _structure.to_dict(cast("AttrsInstance", self))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build one from what `to_dict` gave.

        Raises:
            ValueError: The mapping lacks a field, or a field has a wrong type.
        """
        from arqade import _structure  # noqa: PLC0415 - cattrs loads when first needed

        return _structure.from_dict(data, cls)
