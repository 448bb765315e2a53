"""Shipped encoders next to others: every open protocol, both probes, differences paired face by face.

The others are compared with the first model. Existing scores are reused; predictions are saved.

Run: python experiments/shipped.py --models small small-paper autoencoder=RUN scratch=scratch:fabnet --data DATA \
--runs RUNS --split test --results docs/results/shipped.json
"""

from __future__ import annotations

from pathlib import Path

from baselines import FOLDERS, all_compared, file_of, is_scored, score, show, split_of
from curves import arguments, named, write_rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the predictions")
    options = parser.parse_args()
    models = named(options.models)
    for protocol in FOLDERS:
        for name, model in models.items():
            file = file_of(name, 0, protocol, options.split, options.runs)
            if not is_scored(model, file):
                score(model, protocol, split_of(protocol, options.split), options.data, file, options.cache)
    rows = all_compared(list(models), list(FOLDERS), options.split, [0], options.runs, options.data)
    show(rows)
    write_rows(rows, options.results)


if __name__ == "__main__":
    main()
