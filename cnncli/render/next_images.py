"""Images to label next, as JSON."""

import json
from collections.abc import Sequence

from cnncli.records.predictions import Record
from cnncli.render.lines import json_object


def next_images_json(records: Sequence[Record], uncertainties: Sequence[float]) -> str:
    """A list with an object for each image: its prediction, and how uncertain it is."""
    pairs = zip(records, uncertainties, strict=True)
    documents = [json_object(record) | {"uncertainty": round(value, 6)} for record, value in pairs]
    return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"
