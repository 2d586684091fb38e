"""The same as `read_with_pandas`, with polars."""

import sys
from pathlib import Path

import polars as pl


def main() -> None:
    for path in sorted(Path(sys.argv[1]).rglob("metrics.csv")):
        frame = pl.read_csv(path, infer_schema_length=None)
        for column in frame.iter_columns():
            filled = column.drop_nulls()
            if len(filled):
                print(path, column.name, filled[-1], filled.min(), filled.max())


if __name__ == "__main__":
    main()
