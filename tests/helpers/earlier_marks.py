"""Marks as version 0.1.0 wrote them, as plain values."""

EARLIER_SEEN = {
    "logs": {
        "metrics.csv": {
            "format": "csv",
            "signature": {"size": 1, "mtime_ns": 2, "ctime_ns": 3, "inode": 4},
            "cursor": {
                "offset": 9,
                "guard": b"guard",
                "crc": 5,
                "lines": 2,
                "open_line": False,
            },
            "memory": {"header": True},
            "metrics": {
                "loss": {
                    "count": 2,
                    "nans": 0,
                    "infinities": 0,
                    "first_step": 0,
                    "last": 0.5,
                    "last_step": 1,
                    "low": 0.5,
                    "low_step": 1,
                    "high": 1.0,
                    "high_step": 0,
                    "curve": {
                        "width": 1,
                        "steps": b"\x00\x00\x00\x00"
                        b"\x00\x00\x00\x00"
                        b"\x00\x00\x00\x00"
                        b"\x00\x00\xf0?",
                        "lows": b"\x00\x00\x80?\x00\x00\x00?",
                        "highs": b"\x00\x00\x80?\x00\x00\x00?",
                    },
                }
            },
            "points": 2,
            "orphans": 0,
            "restarts": 0,
            "hparams": {},
            "intents": [],
            "results": {},
            "progress": None,
            "outcome": None,
            "texts": [],
            "problems": [
                {
                    "path": "metrics.csv",
                    "line": None,
                    "message": "cannot be read: Permission denied",
                }
            ],
            "more_problems": 0,
            "held": {
                "cursor": {
                    "offset": 7,
                    "guard": b"g",
                    "crc": 1,
                    "lines": 1,
                    "open_line": False,
                },
                "since_ns": 5,
            },
            "waits": True,
            "is_continued": False,
        }
    },
    "weights": [{"path": "last.ckpt", "size": 10, "mtime_ns": 20}],
    "started_ns": 1,
    "updated_ns": 2,
    "problems": [],
}
EARLIER_REPORTED = {
    "metrics": {"loss": {"count": 2, "last": 0.5, "last_step": 1.0, "best": 0.5}},
    "hparams": {},
    "expect": {},
    "results": {},
    "weights": {"last.ckpt": [10, 20]},
    "outcome": "",
    "problems": [],
    "alerts": {},
    "restarts": 0,
    "at": 3.0,
}
