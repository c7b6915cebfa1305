"""What kind of dataset is looked at: the same choices that the crawl was given."""

import argparse
import json
import math
import os
import typing

# The columns of every ledger.
LEDGER = """image url caption status error_class error_message http_status bytes width height format sha256 file
original_bytes original_width original_height original_format original_sha256 tries fetch_ms transform_ms final_url etag
last_modified source_file source_line""".split()
# Stored as they came, whatever is done to others.
NEVER_DECODED = {"svg", "avif", "heic", "jxl", "ico"}


class Options(typing.NamedTuple):
    """Format, layout and transformation."""

    format: str
    img2dataset: bool = False
    resize_mode: str | None = None
    image_size: int = 256
    encode: str | None = None
    keep_cols: tuple = ()
    max_fetch_ms: int | None = None

    @property
    def transforms(self):
        """Whether stored images are encoded anew."""
        return self.encode is not None

    @property
    def extension(self):
        """The one extension that img2dataset gives all images."""
        return self.encode or "jpg"

    def shard(self, chunk):
        """The name of a chunk's folder, tar or table."""
        return f"{chunk.index:05}" + {"files": "", "webdataset": ".tar", "parquet": ".parquet"}[self.format]

    def ledger(self, chunk):
        """The name of a chunk's ledger: among the shards, unless `*.parquet` would find it there."""
        name = f"{chunk.index:05}.ledger.parquet"
        return f"_ledger/{name}" if self.img2dataset or self.format == "parquet" else name

    def summary(self):
        """The name of the dataset's summary: img2dataset's readers take every `*.json` for statistics."""
        return "_ledger/dataset.json" if self.img2dataset else "dataset.json"

    def names(self, chunk):
        """Everything that a chunk has in the dataset's folder."""
        names = [self.shard(chunk), self.ledger(chunk)]
        if self.img2dataset:
            names += [f"{chunk.index:05}.parquet", f"{chunk.index:05}_stats.json"]
        return sorted(set(names))

    def key(self, chunk, row, chunk_size):
        """img2dataset's key of an image (`compute_key` in its `downloader.py`)."""
        digits = math.ceil(math.log10(chunk_size))
        return f"{10**digits * chunk.index + row['image'] - chunk.first:0{5 + digits}d}"

    def renamed(self, taken):
        """The kept columns, each with its name in the output."""
        used, names = set(taken), []
        for column in self.keep_cols:
            name = column
            while name in used:
                name = f"kept_{name}"
            used.add(name)
            names.append((column, name))
        return names


class Dataset(typing.NamedTuple):
    """Where a dataset lies and what it is checked against."""

    root: str
    list_path: str
    options: Options
    served: dict
    expected: dict
    partial: bool = False
    state: dict | None = None


def add_arguments(parser, required=True):
    """The arguments that say what is looked at."""
    parser.add_argument("--list", required=required, help="the list that was crawled: .txt or .csv")
    parser.add_argument("--dataset", required=required, help="the dataset's folder")
    parser.add_argument("--format", required=required, choices=["files", "webdataset", "parquet"])
    parser.add_argument("--served", help="JSON: URL to file; null for a URL whose bytes are not known")
    parser.add_argument("--web-root", help="the folder that is served at --url-prefix")
    parser.add_argument("--url-prefix")
    parser.add_argument("--expected", help="JSON: URL to error class; several with `|` between, `ok` is one")
    parser.add_argument("--state", help="JSON: job and chunks, where they are in no SQLite file of the dataset")
    parser.add_argument("--partial", action="store_true", help="the crawl has not ended yet")
    parser.add_argument("--img2dataset-layout", action="store_true")
    parser.add_argument("--resize-mode", choices=["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"])
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--encode", choices=["jpg", "png", "webp"], help="what images were encoded as, if they were")
    parser.add_argument("--keep-cols", default="", help="kept columns, with commas")
    parser.add_argument("--max-fetch-ms", type=int, help="no image may have taken longer")


def dataset(args: argparse.Namespace):
    """What the arguments say."""
    load = lambda path: json.load(open(path, encoding="utf-8")) if path else {}
    kept = tuple(name for name in args.keep_cols.split(",") if name)
    options = Options(
        args.format, args.img2dataset_layout, args.resize_mode, args.image_size, args.encode, kept, args.max_fetch_ms
    )
    state = load(args.state) if args.state else None
    return Dataset(args.dataset, args.list, options, load(args.served), load(args.expected), args.partial, state)


def exists(root, name):
    """Whether a dataset has this."""
    return os.path.exists(os.path.join(root, name))
