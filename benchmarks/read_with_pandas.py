"""The script that a user would put into cron instead: reads every file, every time."""

import sys
from pathlib import Path

import pandas as pd


def main() -> None:
    for path in sorted(Path(sys.argv[1]).rglob("metrics.csv")):
        frame = pd.read_csv(path)
        for name in frame.columns:
            column = frame[name].dropna()
            if len(column):
                print(path, name, column.iloc[-1], column.min(), column.max())


if __name__ == "__main__":
    main()
