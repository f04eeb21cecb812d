"""Write the collections of a test's database to the failure report, as JSON.

For each collection, the file contains its indexes, the number of documents, and the first documents.
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.mongodb.driver import connect

#: The maximum number of collections that are dumped, and of documents of each collection.
COLLECTIONS, DOCUMENTS = 100, 50


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the collections of a database with their documents to a file, and return a list with the file."""
    from bson import json_util

    path = folder / f"{unit.id}.json"
    with connect(unit) as client:
        database = client[unit["database"]]
        names = sorted(database.list_collection_names())
        visible_collections = {
            name: {
                "documents": database[name].count_documents({}),
                "indexes": sorted(database[name].index_information()),
                "first": [
                    json.loads(json_util.dumps(document)) for document in database[name].find(limit=DOCUMENTS)
                ],
            }
            for name in names[:COLLECTIONS]
        }
    write_json(path, {"collections": len(names), "shown": visible_collections})
    return [path]
