"""What schemathesis has to know about Ream beyond its OpenAPI document."""

import os
import re

import schemathesis

# The token that the run itself asks with; revoking it would end the run.
OWN_TOKEN_ID = os.environ.get("OWN_TOKEN_ID")

# A claim may wait a minute for a chunk, and a job have billions of images, with a chunk for each. More than a test run has time
# for: these are lowered, which makes no right request wrong.
LOWERED = {"wait_s": (60, 0.01), "max_images": (2**63 - 1, 2000)}

# Of two in three ids one is made that is, or was, there: what is behind "not found" is tested as well.
MOST_ID = 50

# Rules between several values, or between a request and what is stored: the schema of a single value cannot tell them, so a
# request that fits the schema may break them.
RULES = {
    "cursor": "is the `next` of a page of this very list",
    "policy.heartbeat_interval_s": "is less than lease_duration_s",
    "executor": "is `ream` for jobs with a dataset only",
    "dataset": "belongs to no other job",
    "max_images": "is set before the start",
    "status": "is there where error_message or task_id is",
    "body": "has max_images or chunks, and not both",
    "chunks[].image_range": "does not end before it starts",
    "chunks": "cover the job's images exactly",
    "chunks.image_range": "cover the job's images exactly",
    "chunks.chunk_index": "are each another one's",
    "parts": "are no more than the chunk has images",
    "outcome.outputs": "are names within the dataset",
    "outcome.images_failed": "are within 64 bits together",
    "name": "is no other token's; a list's has an extension that is known",
    "keep_cols": "are names of columns with commas between",
    "recipe": "is that of a job with a dataset, and fits together",
}

# Their items are judged one by one: what is the matter with one is told in its place, not by the status.
ONE_BY_ONE = ("/v1/completions", "/v1/heartbeats")


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        for field, (allowed, enough) in LOWERED.items():
            value = case.body.get(field)
            if isinstance(value, (int, float)) and enough < value <= allowed:
                case.body[field] = enough
    parameters = case.path_parameters or {}
    for name in ("job_id", "chunk_id"):
        number = parameters.get(name)
        # Small ones may be of what the run itself has created.
        if isinstance(number, int) and abs(number) > 10_000 and number % 3:
            parameters[name] = number % MOST_ID + 1
    if str(parameters.get("token_id")) == OWN_TOKEN_ID:
        parameters["token_id"] = 0


def rule(field):
    """Its name in RULES."""
    return "recipe" if field.startswith("recipe.") else re.sub(r"\[\d+\]", "[]", field)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    if "positive_data_acceptance" in failure.checks and response.status_code == 422:
        errors = response.json()["errors"]
        # A field of a query that comes several times is sent so for an array's sake, where there is none.
        return not all(rule(error["field"]) in RULES or error["value"] == "given twice" for error in errors)
    if "negative_data_rejection" in failure.checks and case.operation.path in ONE_BY_ONE and response.status_code == 200:
        return all("error" not in item for item in response.json()["items"])
    # Whoever has sent many bad tokens is told no more about them.
    if "ignored_auth" in failure.checks and "got `429 " in failure.message:
        return False
    return True
