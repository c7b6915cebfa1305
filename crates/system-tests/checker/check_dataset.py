"""Checks a dataset that Ream crawled, and shares no code with Ream.

It goes by the list, by the files that the web server served, and by what lies in the dataset's folder; the database
is read as any SQLite file. Every fault is named on standard output as `FAULT kind: what`, and makes the exit code 1.

    check_dataset.py --list list.csv --dataset out --format webdataset --served served.json --expected expected.json

`served.json` maps each URL to the file behind it; `--web-root DIR --url-prefix URL` does the same for a plain site.
`expected.json` maps each URL that must fail to its error class, or to several with `|` between. `--partial` checks a dataset between two runs: what is
completed must be whole, and what is not must not show.
"""

import argparse
import collections
import hashlib
import json
import os
import typing
import urllib.parse

import database
import ending
import img2dataset_layout
import lists
import options as kinds
import shards


class Faults:
    """What was found, in order, by kind."""

    def __init__(self):
        self.found = []

    def add(self, kind, what):
        """Notes a fault of a kind, which is one word for machines, with a text for people."""
        self.found.append((kind, what))

    def kinds(self):
        """Every kind that was found."""
        return {kind for kind, _ in self.found}


class Served:
    """What the web server had behind each URL."""

    def __init__(self, mapping=None, web_root=None, url_prefix=None):
        self.mapping, self.web_root, self.url_prefix = mapping or {}, web_root, url_prefix
        self.hashes = {}

    def path(self, url):
        """The file behind a URL, or None."""
        if url in self.mapping:
            return self.mapping[url]
        if self.url_prefix and url.startswith(self.url_prefix):
            inside = urllib.parse.unquote(urllib.parse.urlsplit(url[len(self.url_prefix) :]).path)
            return os.path.join(self.web_root, inside.lstrip("/"))
        return None

    def is_unknown(self, url):
        """Whether something is served there of which nothing else is known."""
        return url in self.mapping and self.mapping[url] is None

    def sha256(self, url):
        """The hash of the file behind a URL, or None where there is no file."""
        path = self.path(url)
        if path is None or not os.path.isfile(path):
            return None
        if path not in self.hashes:
            with open(path, "rb") as file:
                self.hashes[path] = hashlib.sha256(file.read()).hexdigest()
        return self.hashes[path]


def check_rows(faults, ledgers, rows, against):
    """Every accepted row has one ledger row, in order over all chunks, and every ledger row is right."""
    seen = collections.Counter(row["image"] for ledger in ledgers for row in ledger.rows)
    for image, count in sorted(seen.items()):
        if count > 1:
            faults.add("doubled-row", f"image {image} has {count} ledger rows")
        if not 0 <= image < len(rows):
            faults.add("wrong-number", f"image {image} is not of the list, which has {len(rows)} rows")
    for image in range(len(rows)):
        if image not in seen:
            faults.add("lost-row", f"image {image} ({rows[image].url}) has no ledger row")
    order = [row["image"] for ledger in ledgers for row in ledger.rows]
    for before, after in zip(order, order[1:]):
        if after != before + 1:
            faults.add("order", f"image {after} follows image {before}")
    for ledger in ledgers:
        for row in ledger.rows:
            if 0 <= row["image"] < len(rows):
                check_row(faults, ledger, row, rows[row["image"]], against)


def check_shard(faults, ledger, told, options):
    """A shard of the summary's list says what its ledger says."""
    good = [row for row in ledger.rows if row["status"] == "ok"]
    wanted = {"first_image": ledger.chunk.first, "last_image": ledger.chunk.last, "images_ok": len(good)}
    wanted["bytes"] = sum(row["bytes"] or 0 for row in good)
    for key, value in wanted.items():
        if told.get(key) != value:
            faults.add("summary", f"shard {ledger.chunk.index} has {key} {told.get(key)!r}, its ledger says {value!r}")
    if sorted(told.get("files", [])) != options.names(ledger.chunk):
        faults.add("summary", f"shard {ledger.chunk.index} has the files {told.get('files')}")


class Against(typing.NamedTuple):
    """What ledger rows are checked against, beside the list."""

    served: Served
    expected: dict
    options: kinds.Options

    def classes(self, row, url):
        """What may become of an image; `ok` is one."""
        if self.options.img2dataset and self.options.transforms and row["original_format"] in kinds.NEVER_DECODED:
            return {"decode"}
        return set(self.expected.get(url, "ok").split("|"))


def check_row(faults, ledger, row, wanted, against):
    """One ledger row against the list, the served file and what is expected."""
    name = f"image {row['image']} in {ledger.name}"
    pairs = [("url", wanted.url), ("caption", wanted.caption), ("source_line", wanted.line)]
    kept = img2dataset_layout.kept_in_ledger(against.options)
    pairs += [(own, value) for (_, own), value in zip(kept, wanted.kept)]
    for column, value in pairs:
        if row.get(column) != value:
            faults.add("wrong-row", f"{name} has {column} {row.get(column)!r}, the list has {value!r}")
    missing = [column for column in kinds.LEDGER if column not in row]
    if missing:
        faults.add("wrong-row", f"{name} has no columns {missing}")
    most = against.options.max_fetch_ms
    if most is not None and (row["fetch_ms"] or 0) > most:
        faults.add("too-late", f"{name} took {row['fetch_ms']} ms: {wanted.url}")
    classes = against.classes(row, wanted.url)
    became = "ok" if row["status"] == "ok" else row["error_class"]
    if became not in classes:
        told = became if became == "ok" else f"{became} ({row['error_message']})"
        faults.add("wrong-class", f"{name} is {told}, expected was {' or '.join(sorted(classes))}: {wanted.url}")
    if row["status"] == "ok" and not missing:
        check_ok(faults, name, row, wanted, against)
    elif row["status"] == "failed":
        if row["file"] is not None or row["sha256"] is not None:
            faults.add("wrong-row", f"{name} failed, but has a file")
    elif row["status"] != "ok":
        faults.add("wrong-row", f"{name} has status {row['status']!r}")


def check_ok(faults, name, row, wanted, against):
    """The row of a stored image: what is known of the file as it came, and of the file as it is stored."""
    needed = ("file", "sha256", "bytes", "format", "original_sha256", "original_bytes", "original_format", "tries")
    for column in needed + ("final_url", "fetch_ms"):
        if row[column] is None:
            faults.add("wrong-row", f"{name} is ok without {column}")
    source = against.served.sha256(wanted.url)
    if source is None:
        if not against.served.is_unknown(wanted.url):
            faults.add("wrong-class", f"{name} is ok, but nothing is served at {wanted.url}")
    elif row["original_sha256"] != source:
        faults.add("wrong-bytes", f"{name}: the ledger's hash is not that of the served file {wanted.url}")
    if not against.options.transforms or row["original_format"] in kinds.NEVER_DECODED:
        for column in ("sha256", "bytes", "format", "width", "height"):
            if row[column] != row[f"original_{column}"]:
                told = f"{row[column]!r}, as it came it had {row[f'original_{column}']!r}"
                faults.add("wrong-bytes", f"{name} is kept as it came, but has {column} {told}")


def check_top(faults, dataset, names, summary, partial):
    """Nothing but the chunks' outputs, the summary and the state lies in the dataset."""
    inside = {name for name in names + [summary] if name.startswith("_ledger/")}
    allowed = (set(names) | {"_ream", summary}) - inside
    if partial:
        allowed |= {"_staging", "dataset.json.unfinished", "_ledger"}
        inside |= {"_ledger/dataset.json.unfinished"}
    ledgers = os.path.join(dataset, "_ledger")
    if inside and os.path.isdir(ledgers):
        allowed.add("_ledger")
        for entry in sorted(os.listdir(ledgers)):
            if f"_ledger/{entry}" not in inside:
                faults.add("extra-file", f"_ledger/{entry} belongs to no completed chunk")
    for entry in sorted(os.listdir(dataset)):
        if entry == "_staging" and not partial:
            for left in sorted(os.listdir(os.path.join(dataset, entry))):
                faults.add("staging-left", f"_staging/{left} is left over")
        elif entry not in allowed:
            faults.add("extra-file", f"{entry} belongs to no completed chunk")
    if partial:
        return
    for entry in sorted(os.listdir(os.path.join(dataset, "_ream"))):
        if entry not in {"lock", "crawl.json", "owner.json", "ream.db", "ream.db-wal", "ream.db-shm", "list"}:
            faults.add("extra-file", f"_ream/{entry} is left over")


def check_summary(faults, dataset, options, ledgers, rejected):
    """`dataset.json` says what the ledgers say."""
    path = os.path.join(dataset, options.summary())
    try:
        with open(path, encoding="utf-8") as file:
            summary = json.load(file)
    except (OSError, ValueError) as error:
        return faults.add("summary", f"dataset.json cannot be read: {error}")
    rows = [row for ledger in ledgers for row in ledger.rows]
    failed = collections.Counter(row["error_class"] for row in rows if row["status"] != "ok")
    wanted = {
        "status": "completed",
        "images": len(rows),
        "images_ok": sum(row["status"] == "ok" for row in rows),
        "images_failed": dict(failed),
        "rejected_rows": rejected,
        "bytes": sum(row["bytes"] or 0 for row in rows if row["status"] == "ok"),
        "total_chunks": len(ledgers),
        "completed_chunks": len(ledgers),
        "failed_chunks": 0,
    }
    shards_told = {shard.get("chunk_index"): shard for shard in summary.get("shards", [])}
    if sorted(shards_told) != sorted(ledger.chunk.index for ledger in ledgers):
        faults.add("summary", f"dataset.json lists the shards {sorted(shards_told)}")
    for ledger in ledgers:
        check_shard(faults, ledger, shards_told.get(ledger.chunk.index, {}), options)
    for key, value in wanted.items():
        if summary.get(key) != value:
            faults.add("summary", f"dataset.json has {key} {summary.get(key)!r}, the ledgers say {value!r}")
    return None


def check(dataset: kinds.Dataset, served=None):
    """Checks everything; gives the faults and the ledgers that could be read."""
    faults, options = Faults(), dataset.options
    served = served or Served(dataset.served)
    rows, rejected = lists.read(dataset.list_path, options.keep_cols)
    state = database.told(dataset.state) if dataset.state else database.read(faults, dataset.root)
    if state is None:
        return faults, []
    database.check(faults, state, len(rows), dataset.partial)
    done = [chunk for chunk in state.chunks if chunk.status == "completed"]
    file = lambda row: served.path(row["url"]) if row.get("original_sha256") == served.sha256(row["url"]) else None
    source = shards.Source(options, state.job["chunk_size"], lists.has_captions(dataset.list_path), file)
    ledgers = []
    for chunk in (chunk for chunk in done if not chunk.unpublished):
        ledger = shards.read_ledger(faults, dataset.root, chunk, options)
        if ledger is not None:
            ledgers.append(ledger)
            shards.check(faults, dataset.root, ledger, source)
    against = Against(served, dataset.expected, options)
    if dataset.partial:
        for chunk in done:
            shards.check_somewhere(faults, dataset.root, chunk)
        for ledger in ledgers:
            for row in ledger.rows:
                if 0 <= row["image"] < len(rows):
                    check_row(faults, ledger, row, rows[row["image"]], against)
    else:
        check_rows(faults, ledgers, rows, against)
        check_summary(faults, dataset.root, options, ledgers, rejected)
    names = [name for chunk in done for name in options.names(chunk)]
    check_top(faults, dataset.root, names, options.summary(), dataset.partial)
    return faults, ledgers


def report(faults, ledgers):
    """The summary, and a line for each fault."""
    rows = [row for ledger in ledgers for row in ledger.rows]
    good = [row for row in rows if row["status"] == "ok"]
    formats = collections.Counter(row["format"] for row in good)
    failed = collections.Counter(row["error_class"] for row in rows if row["status"] != "ok")
    show = lambda counts: ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "none"
    print(f"chunks {len(ledgers)}, rows {len(rows)}, ok {len(good)} ({sum(r['bytes'] or 0 for r in good)} bytes)")
    print(f"formats: {show(formats)}")
    print(f"failed: {show(failed)}")
    for kind, what in faults.found:
        print(f"FAULT {kind}: {what}")
    print(f"{len(faults.found)} faults")


def main():
    """Reads the arguments, checks, reports."""
    parser = argparse.ArgumentParser(description="Checks a crawled dataset against its list and its source.")
    kinds.add_arguments(parser)
    args = parser.parse_args()
    if bool(args.web_root) != bool(args.url_prefix) or not (args.served or args.web_root):
        parser.error("give --served, or --web-root together with --url-prefix")
    dataset = kinds.dataset(args)
    faults, ledgers = check(dataset, Served(dataset.served, args.web_root, args.url_prefix))
    report(faults, ledgers)
    return 1 if faults.found else 0


if __name__ == "__main__":
    ending.leave(main())
