"""Read event files with what TensorBoard itself reads them with, all scalars kept."""

import sys

from tensorboard.backend.event_processing.plugin_event_multiplexer import (
    EventMultiplexer,
)


def main() -> None:
    multiplexer = EventMultiplexer(size_guidance={"tensors": 0, "scalars": 0})
    multiplexer.AddRunsFromDirectory(sys.argv[1])
    multiplexer.Reload()
    for run, found in multiplexer.Runs().items():
        for tag in found["tensors"]:
            print(run, tag, len(multiplexer.Tensors(run, tag)))


if __name__ == "__main__":
    main()
