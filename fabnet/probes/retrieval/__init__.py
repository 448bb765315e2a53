"""`fabnet probe --protocol retrieval`: whether nearest neighbours across people share pose, shape and expression.

A ranking in place of a probe: nothing is fitted but a whitening, where it is asked for.
"""

from __future__ import annotations

from fabnet.probes.retrieval.figures import TableRow, table_rows
from fabnet.probes.retrieval.score import ranked_protocol, score_retrieval, with_identity
from fabnet.probes.retrieval.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "TableRow", "Variant", "ranked_protocol", "score_retrieval", "table_rows", "with_identity"]
