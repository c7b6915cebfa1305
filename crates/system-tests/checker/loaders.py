"""Loads a dataset as people do, with the packages that they use, and compares what comes with the ledgers.

Tars are loaded with `webdataset`, tables with `pyarrow` and `pandas`, and img2dataset's layout in the ways of what is
built on it: the key join of clip-retrieval's reader, and the statistics reader of img2dataset's own `logger.py`.
"""

import argparse
import contextlib
import glob
import hashlib
import importlib.util
import io
import os
import pathlib
import sys
import types

import pandas
import PIL.Image
import pyarrow.dataset
import pyarrow.parquet
import webdataset

import ending
import lists
import options as kinds


class Difference(Exception):
    """What came is not what the ledgers say."""


def expect(have, want, what):
    """Both must be the same."""
    if have != want:
        raise Difference(f"{what}: loaded {str(have)[:300]}, the ledgers say {str(want)[:300]}")


def ledger(dataset):
    """All rows of all ledgers."""
    folder = os.path.join(dataset.root, os.path.dirname(dataset.options.ledger(First)))
    names = sorted(name for name in os.listdir(folder) if name.endswith(".ledger.parquet"))
    return [row for name in names for row in pyarrow.parquet.read_table(os.path.join(folder, name)).to_pylist()]


class First:
    """The first chunk, for its names."""

    index, first = 0, 0


def sha256(data):
    """As the ledgers have it."""
    return hashlib.sha256(data).hexdigest()


def load_tars(dataset, good):
    """Every sample of all tars."""
    urls = sorted(glob.glob(os.path.join(glob.escape(dataset.root), "*.tar")))
    always = dataset.options.img2dataset and lists.has_captions(dataset.list_path)
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    expect(len(samples), len(good), "samples")
    for row, sample in zip(good, samples):
        extension = dataset.options.extension if dataset.options.img2dataset else row["format"]
        where = f"image {row['image']}"
        expect(sample["__key__"], row["file"].rpartition(".")[0], f"key of {where}")
        data = sample[extension]
        expect(sha256(data), row["sha256"], f"bytes of {where}")
        expect(sample["json"]["url"], row["url"], f"url of {where}")
        if "txt" in sample or row["caption"] or always:
            expect(sample.get("txt"), row["caption"] or "", f"caption of {where}")
    decoded = list(webdataset.WebDataset(urls[:1], shardshuffle=False, empty_check=False).decode("pil", handler=skip))
    shown = sum(any(isinstance(value, PIL.Image.Image) for value in sample.values()) for sample in decoded)
    return f"webdataset: {len(samples)} samples of {len(urls)} tars, {shown} of the first tar decoded"


def skip(error):
    """Lists hold images that a Pillow cannot read."""
    del error
    return True


def load_tables(dataset, good):
    """Every row of all tables, as one data set."""
    files = sorted(glob.glob(os.path.join(glob.escape(dataset.root), "*.parquet")))
    data = pyarrow.dataset.dataset(files, format="parquet")
    columns = [field.name for field in data.schema if pyarrow.types.is_binary(field.type)]
    expect(len(columns), 1, "columns of bytes")
    rows = [row for batch in data.to_batches(batch_size=64) for row in batch.to_pylist()]
    rows = [row for row in rows if row[columns[0]] is not None]
    expect([row["url"] for row in rows], [row["url"] for row in good], "URLs")
    for row, own in zip(good, rows):
        expect(sha256(own[columns[0]]), row["sha256"], f"bytes of {row['url']}")
        expect(own.get("caption") or "", row["caption"] or "", f"caption of {row['url']}")
    frame = pandas.read_parquet(files[0])
    return f"pyarrow: {len(rows)} images of {len(files)} tables, pandas: {len(frame)} rows of the first"


def load_files(dataset, good):
    """Every file that a walk finds."""
    stems = [entry for entry in sorted(os.listdir(dataset.root)) if entry.isdigit()]
    found = {}
    for stem in stems:
        for name in sorted(os.listdir(os.path.join(dataset.root, stem))):
            found[f"{stem}/{name}"] = os.path.join(dataset.root, stem, name)
    for row in good:
        expect(row["file"] in found, True, row["file"])
        expect(sha256(pathlib.Path(found[row["file"]]).read_bytes()), row["sha256"], row["file"])
    return f"files: {len(good)} images in {len(stems)} folders"


def load_theirs(dataset, rows, good):
    """What is built on img2dataset."""
    files = sorted(glob.glob(os.path.join(glob.escape(dataset.root), "*.parquet")))
    frame = pandas.concat([pandas.read_parquet(file) for file in files], ignore_index=True)
    expect(len(frame), len(rows), "rows of metadata")
    expect(frame["key"].is_unique, True, "keys are unique")
    expect(list(frame["url"]), [row["url"] for row in rows], "URLs")
    success = frame[frame["status"] == "success"].set_index("key")
    expect(list(success["sha256"]), [row["original_sha256"] for row in good], "hashes")
    keys = {"webdataset": keys_of_tars, "files": keys_of_files, "parquet": lambda _: list(success.index)}
    found = keys[dataset.options.format](dataset)
    expect(sorted(found), sorted(success.index), "keys of images and metadata")
    totals = read_statistics(dataset.root)
    by_status = frame["status"].value_counts()
    names = ("success", "failed_to_download", "failed_to_resize")
    expect(totals, (len(frame), *(int(by_status.get(name, 0)) for name in names)), "statistics")
    return f"img2dataset: {len(frame)} rows, {len(found)} keys joined, statistics {totals}"


def keys_of_tars(dataset):
    """As `create_webdataset` in clip-retrieval's `reader.py`: samples without an image or a caption are passed over."""
    urls = sorted(glob.glob(os.path.join(glob.escape(dataset.root), "*.tar")))
    extension = dataset.options.extension

    def filter_dataset(item):
        return extension in item and "json" in item

    loaded = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False, handler=webdataset.handlers.warn_and_continue)
    return [item["__key__"] for item in loaded.select(filter_dataset)]


def keys_of_files(dataset):
    """As `folder_to_keys` in clip-retrieval's `reader.py`: what has an image, metadata and, if any has, a caption."""
    path = pathlib.Path(dataset.root)
    images = {file.stem: file for file in path.glob(f"**/*.{dataset.options.extension}")}
    metadata = {file.stem: file for file in path.glob("[0-9]*/*.json")}
    captions = {file.stem: file for file in path.glob("**/*.txt")}
    keys = images.keys() & metadata.keys()
    return list(keys & captions.keys() if captions else keys)


def read_statistics(root):
    """img2dataset's own reader of statistics: count, successes and failures of all shards."""
    place = importlib.util.find_spec("img2dataset").submodule_search_locations[0]
    # It is only called where its statistics go to that service.
    sys.modules.setdefault("wandb", types.ModuleType("wandb"))
    spec = importlib.util.spec_from_file_location("img2dataset_logger", os.path.join(place, "logger.py"))
    logger = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(logger)
    process, said = logger.LoggerProcess(root, False, "none", {}), io.StringIO()
    # Read once, to the end, here: not in a process of its own.
    process.q = types.SimpleNamespace(get=lambda block: "stop")
    with contextlib.redirect_stdout(said):
        process.run()
    expect("error" in said.getvalue() or "failed to parse" in said.getvalue(), False, said.getvalue())
    total = process.total_speed_logger
    return total.count, total.success, total.failed_to_download, total.failed_to_resize


def main():
    """Loads a dataset in every way that fits it."""
    parser = argparse.ArgumentParser(description="Loads a dataset as its users do.")
    kinds.add_arguments(parser)
    dataset = kinds.dataset(parser.parse_args())
    rows = ledger(dataset)
    good = [row for row in rows if row["status"] == "ok"]
    load = {"webdataset": load_tars, "parquet": load_tables, "files": load_files}[dataset.options.format]
    try:
        print(load(dataset, good))
        if dataset.options.img2dataset:
            print(load_theirs(dataset, rows, good))
    except Difference as difference:
        print(f"FAULT loaders: {difference}")
        return 1
    return 0


if __name__ == "__main__":
    ending.leave(main())
