"""One model in the format of Foundry Local's catalog API.

It knows nothing of files, servers and networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundry_local_sdk import IModel


@dataclass(frozen=True)
class CatalogEntry:
    """What a catalog says of a model.

    Attributes:
        alias: the short name.
        name: the id without its version.
        version: the version of the weights.
        publisher: who made the model.
        asset: its address in a model registry.
        size: the size of its files, in bytes.
        context_length: tokens that prompt and answer may have together, where known.
        task: what it is for; without `chat-completion` the SDK's own ChatSession refuses a model.
        parent: the address of the model that it is a variant of.
        device: `cpu`, `gpu` or `npu`.
        provider: the ONNX Runtime execution provider that runs it.
        calls_tools: whether it can call tools.
        created: when it was published, in seconds since 1970.
    """

    alias: str
    name: str
    version: int
    publisher: str
    asset: str
    size: int
    context_length: int | None
    task: str = "chat-completion"
    parent: str | None = None
    device: str = "cpu"
    provider: str = "CPUExecutionProvider"
    calls_tools: bool = False
    created: int = 0

    @classmethod
    def of(cls, model: IModel) -> CatalogEntry:
        """Takes an entry back from the runtime, which has read it from a catalog.

        Args:
            model: a model, in one variant.
        """
        info, hardware = model.info, model.info.runtime
        return cls(
            alias=info.alias,
            name=info.name,
            version=info.version,
            publisher=info.publisher or "",
            asset=info.uri,
            size=(info.file_size_mb or 0) * 1_000_000,
            context_length=info.context_length,
            task=info.task or "chat-completion",
            parent=info.get_string_property("parent_uri"),
            device=(hardware.device_type.value if hardware and hardware.device_type else cls.device).lower(),
            provider=hardware.execution_provider if hardware else cls.provider,
            calls_tools=bool(info.supports_tool_calling),
            created=info.created_at_unix,
        )

    def as_json(self) -> dict[str, Any]:
        """Gives the entry as Foundry Local 2.x reads it."""
        return {
            "assetId": self.asset,
            "entityId": self.asset,
            "annotations": {"tags": self._tags(), "systemCatalogData": self._catalog_data()},
            "properties": {
                "id": f"{self.name}:{self.version}",
                "name": self.name,
                "version": self.version,
                "variantInfo": {
                    "parents": [{"assetId": self.parent or self.asset}],
                    "variantMetadata": {
                        "modelType": "ONNX",
                        "device": self.device,
                        "executionProvider": self.provider,
                        "fileSizeBytes": self.size,
                    },
                },
                "creationContext": {"createdTime": f"{datetime.fromtimestamp(self.created, UTC):%Y-%m-%dT%H:%M:%SZ}"},
            },
        }

    def _tags(self) -> dict[str, str]:
        return {
            "alias": self.alias,
            "task": self.task,
            "foundryLocal": "",
            "supportsToolCalling": str(self.calls_tools).lower(),
            **({"maxOutputTokens": str(self.context_length)} if self.context_length else {}),
        }

    def _catalog_data(self) -> dict[str, Any]:
        return {
            "publisher": self.publisher,
            "displayName": self.alias,
            "inferenceTasks": [self.task],
            **({"textContextWindow": self.context_length} if self.context_length else {}),
        }
