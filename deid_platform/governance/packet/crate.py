"""RO-Crate metadata of a packet, so that other tools can read what is in it.

Source: RO-Crate Metadata Specification 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CRATE = "ro-crate-metadata.json"

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_PROFILE = "https://w3id.org/ro/crate/1.1"


def crate(
    *,
    title: str,
    description: str,
    built_at: str,
    publisher: str,
    people: Mapping[str, Sequence[str]],
    files: Sequence[Mapping[str, Any]],
    released: Mapping[str, str],
) -> dict[str, Any]:
    """The JSON-LD document.

    Args:
        title: of the release.
        description: what the packet proves.
        built_at: when, ISO 8601.
        publisher: the deployment.
        people: roles by identity.
        files: ``path``, ``name``, ``description``, ``media_type``, ``size``, ``sha256`` of each
            public file of the packet.
        released: digests of released files by name; they are told of, not part of the packet.
    """
    graph: list[dict[str, Any]] = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _PROFILE},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": description,
            "datePublished": built_at,
            "license": "Evidence of a release; see the terms of the release for the data.",
            "publisher": {"@id": "#publisher"},
            "hasPart": [{"@id": file["path"]} for file in files],
            "mentions": [
                *({"@id": f"#released/{name}"} for name in sorted(released)),
                *({"@id": f"#{identity}"} for identity in sorted(people)),
            ],
        },
        {"@id": "#publisher", "@type": "Organization", "name": publisher},
    ]
    graph += [
        {
            "@id": file["path"],
            "@type": "File",
            "name": file["name"],
            "description": file["description"],
            "encodingFormat": file["media_type"],
            "contentSize": str(file["size"]),
            "sha256": file["sha256"],
        }
        for file in files
    ]
    graph += [
        {
            "@id": f"#released/{name}",
            "@type": "CreativeWork",
            "name": name,
            "description": "A released file, told by its digest.",
            "sha256": digest,
        }
        for name, digest in sorted(released.items())
    ]
    graph += [
        {
            "@id": f"#{identity}",
            "@type": "Person" if identity.startswith("person:") else "SoftwareApplication",
            "name": identity.partition(":")[2],
            "description": ", ".join(roles),
        }
        for identity, roles in sorted(people.items())
    ]
    return {"@context": _CONTEXT, "@graph": graph}
