"""Checks a dataset that Ream crawled, and shares no code with Ream.

It goes by the list, by the files that the web server served, and by what lies in the dataset's folder; the database
is read as any SQLite file. Every fault is named on standard output as `FAULT kind: what`, and makes the exit code 1.

    check_dataset.py --list list.csv --dataset out --format webdataset --served served.json --expected expected.json

`served.json` maps each URL to the file behind it; `--web-root DIR --url-prefix URL` does the same for a plain site.
`expected.json` maps each URL that must fail to its error class. `--partial` checks a dataset between two runs: what is
completed must be whole, and what is not must not show.
"""

import argparse
import collections
import hashlib
import json
import os
import sys
import urllib.parse

import database
import lists
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

    def sha256(self, url):
        """The hash of the file behind a URL, or None where there is no file."""
        path = self.path(url)
        if path is None or not os.path.isfile(path):
            return None
        if path not in self.hashes:
            with open(path, "rb") as file:
                self.hashes[path] = hashlib.sha256(file.read()).hexdigest()
        return self.hashes[path]


def check_rows(faults, ledgers, rows, served, expected):
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
                check_row(faults, ledger, row, rows[row["image"]], served, expected)


def check_row(faults, ledger, row, wanted, served, expected):
    """One ledger row against the list, the served file and what is expected."""
    name = f"image {row['image']} in {ledger.name}"
    for column, value in (("url", wanted.url), ("caption", wanted.caption), ("source_line", wanted.line)):
        if row[column] != value:
            faults.add("wrong-row", f"{name} has {column} {row[column]!r}, the list has {value!r}")
    should_fail = expected.get(wanted.url)
    if row["status"] == "ok":
        if should_fail is not None:
            faults.add("wrong-class", f"{name} is ok, expected was {should_fail}: {wanted.url}")
        for column in ("file", "sha256", "bytes", "format"):
            if row[column] is None:
                faults.add("wrong-row", f"{name} is ok without {column}")
        source = served.sha256(wanted.url)
        if source is None:
            faults.add("wrong-class", f"{name} is ok, but nothing is served at {wanted.url}")
        elif row["sha256"] != source:
            faults.add("wrong-bytes", f"{name}: the ledger's hash is not that of the served file {wanted.url}")
    elif row["status"] == "failed":
        if row["error_class"] != should_fail:
            told = f"{row['error_class']} ({row['error_message']})"
            faults.add("wrong-class", f"{name} failed with {told}, expected was {should_fail}: {wanted.url}")
        if row["file"] is not None or row["sha256"] is not None:
            faults.add("wrong-row", f"{name} failed, but has a file")
    else:
        faults.add("wrong-row", f"{name} has status {row['status']!r}")


def check_top(faults, dataset, names, partial):
    """Nothing but the chunks' outputs, the summary and the state lies in the dataset."""
    allowed = set(names) | {"_ream", "dataset.json"}
    if partial:
        allowed |= {"_staging", "dataset.json.unfinished"}
    for entry in sorted(os.listdir(dataset)):
        if entry == "_staging" and not partial:
            for left in sorted(os.listdir(os.path.join(dataset, entry))):
                faults.add("staging-left", f"_staging/{left} is left over")
        elif entry not in allowed:
            faults.add("extra-file", f"{entry} belongs to no completed chunk")
    if partial:
        return
    for entry in sorted(os.listdir(os.path.join(dataset, "_ream"))):
        if entry not in {"lock", "crawl.json", "ream.db", "ream.db-wal", "ream.db-shm", "list"}:
            faults.add("extra-file", f"_ream/{entry} is left over")


def check_summary(faults, dataset, ledgers, rejected):
    """`dataset.json` says what the ledgers say."""
    path = os.path.join(dataset, "dataset.json")
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
    for key, value in wanted.items():
        if summary.get(key) != value:
            faults.add("summary", f"dataset.json has {key} {summary.get(key)!r}, the ledgers say {value!r}")
    return None


def check(dataset, list_path, output_format, served, expected, partial=False):
    """Checks everything; gives the faults and the ledgers that could be read."""
    faults = Faults()
    rows, rejected = lists.read(list_path)
    state = database.read(faults, dataset)
    if state is None:
        return faults, []
    database.check(faults, state, len(rows), partial)
    done = [chunk for chunk in state.chunks if chunk.status == "completed"]
    published = [chunk for chunk in done if not chunk.unpublished]
    ledgers = []
    for chunk in published:
        ledger = shards.read_ledger(faults, dataset, chunk)
        if ledger is not None:
            ledgers.append(ledger)
            shards.check(faults, dataset, output_format, ledger, rows)
    if partial:
        for chunk in done:
            shards.check_somewhere(faults, dataset, chunk)
        for ledger in ledgers:
            for row in ledger.rows:
                if 0 <= row["image"] < len(rows):
                    check_row(faults, ledger, row, rows[row["image"]], served, expected)
    else:
        check_rows(faults, ledgers, rows, served, expected)
        check_summary(faults, dataset, ledgers, rejected)
    names = [name for chunk in done for name in shards.names(output_format, chunk)]
    check_top(faults, dataset, names, partial)
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
    parser.add_argument("--list", required=True, help="the list that was crawled: .txt or .csv")
    parser.add_argument("--dataset", required=True, help="the dataset's folder")
    parser.add_argument("--format", required=True, choices=["files", "webdataset"])
    parser.add_argument("--served", help="JSON: URL to file")
    parser.add_argument("--web-root", help="the folder that is served at --url-prefix")
    parser.add_argument("--url-prefix")
    parser.add_argument("--expected", help="JSON: URL to error class")
    parser.add_argument("--partial", action="store_true", help="the crawl has not ended yet")
    args = parser.parse_args()
    if bool(args.web_root) != bool(args.url_prefix) or not (args.served or args.web_root):
        parser.error("give --served, or --web-root together with --url-prefix")
    load = lambda path: json.load(open(path, encoding="utf-8")) if path else {}
    served = Served(load(args.served), args.web_root, args.url_prefix)
    faults, ledgers = check(args.dataset, args.list, args.format, served, load(args.expected), args.partial)
    report(faults, ledgers)
    return 1 if faults.found else 0


if __name__ == "__main__":
    sys.exit(main())
