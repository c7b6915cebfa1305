//! The columns that are read, each list once; `rows.rs` reads them in the same order.

/// The columns that [`rows::Columns::chunk`](super::rows::Columns) reads, in its order.
macro_rules! chunk_columns {
    () => {
        chunk_columns!("")
    };
    ($of:literal) => {
        concat!(
            $of,
            "id, ",
            $of,
            "job_id, ",
            $of,
            "chunk_index, ",
            $of,
            "status, ",
            $of,
            "priority, ",
            $of,
            "first_image, ",
            $of,
            "last_image, ",
            $of,
            "error_message, ",
            $of,
            "retry_count, ",
            $of,
            "task_id, ",
            $of,
            "created_at, ",
            $of,
            "updated_at, ",
            $of,
            "attempt, ",
            $of,
            "lease_expires_at, ",
            $of,
            "timeout_at, ",
            $of,
            "progress, ",
            $of,
            "split_from, ",
            $of,
            "retry_at, ",
            $of,
            "policy_retries, ",
            $of,
            "expiry_count, ",
            $of,
            "dispatched_at, ",
            $of,
            "redispatch_at, ",
            $of,
            "outcome, ",
            $of,
            "unpublished, ",
            $of,
            "last_move, ",
            $of,
            "started_at, ",
            $of,
            "finished_at"
        )
    };
}

/// The columns that [`rows::Columns::policy`](super::rows::Columns) reads, in its order.
macro_rules! policy_columns {
    () => {
        policy_columns!("")
    };
    ($of:literal) => {
        concat!(
            $of,
            "heartbeat_interval_s, ",
            $of,
            "lease_duration_s, ",
            $of,
            "chunk_timeout_s, ",
            $of,
            "job_deadline_s, ",
            $of,
            "max_retries, ",
            $of,
            "backoff_initial_s, ",
            $of,
            "backoff_max_s, ",
            $of,
            "redispatch_after_s, ",
            $of,
            "robots"
        )
    };
}

/// The columns of `j`, the first part of what [`rows::Columns::job`](super::rows::Columns) reads.
macro_rules! stored_job_columns {
    () => {
        concat!(
            "j.id, j.name, j.gate, j.priority, j.max_images, j.chunk_size, j.executor, j.image_list, \
             j.dataset, j.recipe, j.total_chunks, j.active_chunks, j.completed_chunks, j.failed_chunks, j.awaiting_retry_chunks, \
             j.completed_images, j.window_started_at_ms, j.window_images, j.previous_ms, j.previous_images, ",
            policy_columns!("j."),
            ", j.created_at, j.updated_at, j.started_at, j.ended_at, j.deadline_at"
        )
    };
}

/// The sum of the deltas in `$from`, which [`rows::Columns::delta`](super::rows::Columns) reads.
macro_rules! delta_sums {
    () => {
        "coalesce(sum(total_chunks), 0)::bigint AS total_chunks, \
         coalesce(sum(active_chunks), 0)::bigint AS active_chunks, \
         coalesce(sum(completed_chunks), 0)::bigint AS completed_chunks, \
         coalesce(sum(failed_chunks), 0)::bigint AS failed_chunks, \
         coalesce(sum(awaiting_retry_chunks), 0)::bigint AS awaiting_retry_chunks, \
         coalesce(sum(completed_images), 0)::bigint AS completed_images, \
         min(at) FILTER (WHERE starts) AS started_at, max(at) AS at, \
         coalesce(bool_or(reopens), false) AS reopens"
    };
}

/// The columns of `d`, the second part of what [`rows::Columns::job`](super::rows::Columns) reads.
macro_rules! delta_columns {
    () => {
        "d.total_chunks, d.active_chunks, d.completed_chunks, d.failed_chunks, d.awaiting_retry_chunks, \
         d.completed_images, d.started_at, d.at, d.reopens"
    };
}

/// The same where there are no deltas.
macro_rules! no_delta {
    () => {
        "0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, NULL::timestamptz, NULL::timestamptz, false"
    };
}

/// The timeline of a server that may be written to; 0 of a standby.
macro_rules! timeline {
    () => {
        "CASE WHEN pg_is_in_recovery() THEN 0 \
         ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END"
    };
}

/// `SELECT` of a job `j` with what its deltas add; conditions on `j` follow.
macro_rules! select_jobs {
    ($more:literal) => {
        concat!(
            "SELECT ",
            stored_job_columns!(),
            ", ",
            delta_columns!(),
            $more,
            " FROM crawl_job_rows j CROSS JOIN LATERAL (SELECT ",
            delta_sums!(),
            " FROM counter_deltas \
             WHERE (job_id, xid) >= (j.id, ream_settled(j.settled_xid)) AND job_id = j.id) d "
        )
    };
}

/// The columns that [`rows::Columns::activity`](super::rows::Columns) reads, in its order.
macro_rules! activity_columns {
    () => {
        "id, created_at, actor, action, job_id, chunk_id, from_status, to_status, attempt, task_id, unfenced, message"
    };
}

/// The columns that [`rows::Columns::token`](super::rows::Columns) reads, in its order.
macro_rules! token_columns {
    () => {
        "id, name, role, created_at, created_by, expires_at, revoked_at, revoked_by"
    };
}
