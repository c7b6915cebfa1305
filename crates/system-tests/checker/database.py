"""Reads a crawl's database with nothing but SQLite, from a copy: what is checked is not touched."""

import json
import os
import shutil
import sqlite3
import tempfile
import typing


class Chunk(typing.NamedTuple):
    """One row of `job_chunks`."""

    id: int
    index: int
    status: str
    first: int
    last: int
    attempt: int
    unpublished: int
    leased: int
    outcome: dict | None


class State(typing.NamedTuple):
    """The one job, its chunks in the order of their images, and what SQLite says about the file."""

    job: dict
    chunks: list
    integrity: list


def told(state):
    """The state as somebody else read it from another database."""
    return State(state["job"], [Chunk(**chunk) for chunk in state["chunks"]], ["ok"])


def read(faults, dataset):
    """The state, or None with a fault."""
    path = os.path.join(dataset, "_ream", "ream.db")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if os.path.exists(path + suffix):
                shutil.copy(path + suffix, os.path.join(folder, "copy.db" + suffix))
        if not os.path.exists(os.path.join(folder, "copy.db")):
            return faults.add("database", "_ream/ream.db is missing")
        connection = sqlite3.connect(os.path.join(folder, "copy.db"))
        try:
            return load(faults, connection)
        except sqlite3.Error as error:
            return faults.add("database", f"_ream/ream.db cannot be read: {error}")
        finally:
            connection.close()


def load(faults, connection):
    """Reads job and chunks."""
    connection.row_factory = sqlite3.Row
    integrity = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    integrity += [f"foreign key of {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
    jobs = [dict(row) for row in connection.execute("SELECT * FROM crawl_jobs")]
    if len(jobs) != 1:
        return faults.add("database", f"the database holds {len(jobs)} jobs instead of one")
    sql = (
        "SELECT id, chunk_index, status, first_image, last_image, attempt, unpublished,"
        " lease_expires_at IS NOT NULL, outcome FROM job_chunks ORDER BY first_image"
    )
    chunks = [Chunk(*row[:8], json.loads(row[8]) if row[8] else None) for row in connection.execute(sql)]
    return State(jobs[0], chunks, integrity)


def check(faults, state, images, partial):
    """The file is sound, the chunks partition the images, the counters are true."""
    if state.integrity != ["ok"]:
        faults.add("integrity", "; ".join(state.integrity[:5]))
    if state.job["max_images"] != images:
        faults.add("cover", f"the job has {state.job['max_images']} images, the list {images} accepted rows")
    expected = 0
    for chunk in state.chunks:
        if chunk.first != expected or chunk.last < chunk.first:
            faults.add("cover", f"chunk {chunk.index} has images {chunk.first} to {chunk.last}, not from {expected}")
        if chunk.last - chunk.first + 1 > state.job["chunk_size"]:
            faults.add("cover", f"chunk {chunk.index} has more than {state.job['chunk_size']} images")
        if chunk.leased != (chunk.status == "processing"):
            faults.add("lease", f"chunk {chunk.index} is {chunk.status}, lease: {bool(chunk.leased)}")
        if chunk.status == "completed" and (chunk.attempt < 1 or chunk.outcome is None):
            faults.add("outcome", f"chunk {chunk.index} is completed without an attempt or an outcome")
        expected = chunk.last + 1
    if expected != images:
        faults.add("cover", f"the chunks end at image {expected - 1}, the list has {images} accepted rows")
    by_status = lambda status: [chunk for chunk in state.chunks if chunk.status == status]
    counted = {
        "total_chunks": len(state.chunks),
        "active_chunks": len(by_status("processing")),
        "completed_chunks": len(by_status("completed")),
        "failed_chunks": len(by_status("failed")),
        "completed_images": sum(chunk.last - chunk.first + 1 for chunk in by_status("completed")),
    }
    for counter, count in counted.items():
        if state.job[counter] != count:
            faults.add("counters", f"{counter} is {state.job[counter]}, counted are {count}")
    if partial:
        return
    if state.job["status"] != "completed":
        faults.add("not-completed", f"the job is {state.job['status']}")
    for chunk in state.chunks:
        if chunk.status != "completed":
            faults.add("not-completed", f"chunk {chunk.index} is {chunk.status}")
        if chunk.unpublished:
            faults.add("unpublished", f"the output of chunk {chunk.index} is not published")
