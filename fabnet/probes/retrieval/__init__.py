"""`fabnet probe --protocol retrieval`: tests if nearest neighbours among other people share pose, shape and expression.

It ranks instead of probing: nothing is fitted, except for an optional whitening.
"""

from __future__ import annotations

from fabnet.probes.retrieval.figures import TableRow, table_rows
from fabnet.probes.retrieval.score import ranked_protocol, score_retrieval, with_identity
from fabnet.probes.retrieval.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "TableRow", "Variant", "ranked_protocol", "score_retrieval", "table_rows", "with_identity"]
