-- Times are Unix milliseconds in UTC, by this database's clock. All numbers are 64-bit.

-- The one expression for "now" reads this row, so that a test can shift every lease and back-off at once.
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    shift_ms INTEGER NOT NULL
) STRICT;
INSERT INTO clock (id, shift_ms) VALUES (1, 0);

CREATE TABLE crawl_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,      -- AUTOINCREMENT: a deleted job's id is never given again
    name TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',    -- computed from gate and counters, kept for filtering
    gate TEXT NOT NULL DEFAULT 'open',         -- open, paused, cancelled: whether chunks may start
    priority INTEGER NOT NULL DEFAULT 5,
    max_images INTEGER,                        -- images are numbered 0 to max_images - 1
    chunk_size INTEGER NOT NULL DEFAULT 500,
    executor TEXT NOT NULL DEFAULT 'external',
    image_list TEXT,                           -- where the parts of the image list lie

    -- ChunkTrackingMixin: true at every commit. total_chunks is 0 until all chunks are stored.
    total_chunks INTEGER NOT NULL DEFAULT 0,
    active_chunks INTEGER NOT NULL DEFAULT 0,
    completed_chunks INTEGER NOT NULL DEFAULT 0,
    failed_chunks INTEGER NOT NULL DEFAULT 0,
    awaiting_retry_chunks INTEGER NOT NULL DEFAULT 0,
    completed_images INTEGER NOT NULL DEFAULT 0,

    -- Creation of chunks goes in steps: what was asked for first, and where the next step begins.
    chunked_images INTEGER,
    chunked_priority INTEGER,
    next_chunk_index INTEGER NOT NULL DEFAULT 0,

    -- Two windows of completed images, for the rate.
    window_started_at_ms INTEGER NOT NULL DEFAULT 0,
    window_images INTEGER NOT NULL DEFAULT 0,
    previous_ms INTEGER NOT NULL DEFAULT 0,
    previous_images INTEGER NOT NULL DEFAULT 0,

    -- Policy, in seconds where a name ends in _s.
    heartbeat_interval_s INTEGER NOT NULL DEFAULT 5,
    lease_duration_s INTEGER NOT NULL DEFAULT 15,
    chunk_timeout_s INTEGER NOT NULL DEFAULT 3600,
    job_deadline_s INTEGER,
    max_retries INTEGER NOT NULL DEFAULT 3,
    backoff_initial_s INTEGER NOT NULL DEFAULT 30,
    backoff_max_s INTEGER NOT NULL DEFAULT 3600,
    redispatch_after_s INTEGER NOT NULL DEFAULT 600,

    priority_from_image INTEGER,               -- a change of priority has reached the chunks before this image
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,                        -- first start of a chunk
    ended_at INTEGER,                          -- end noticed and announced
    deadline_at INTEGER,
    deleted_at INTEGER,                        -- hidden from here on

    CONSTRAINT ck_crawl_jobs_status_valid
        CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_crawl_jobs_gate_valid CHECK (gate IN ('open', 'paused', 'cancelled')),
    CONSTRAINT ck_crawl_jobs_executor_valid CHECK (executor IN ('ream', 'celery', 'external')),
    CONSTRAINT ck_crawl_jobs_priority_range CHECK (priority >= 0 AND priority <= 10),
    CONSTRAINT ck_crawl_jobs_max_images_positive CHECK (max_images > 0),
    CONSTRAINT ck_crawl_jobs_chunk_size_positive CHECK (chunk_size > 0),
    CONSTRAINT ck_crawl_jobs_counters_valid CHECK (
        active_chunks >= 0 AND completed_chunks >= 0 AND failed_chunks >= 0
        AND awaiting_retry_chunks BETWEEN 0 AND failed_chunks
        AND active_chunks + completed_chunks + failed_chunks <= total_chunks)
) STRICT;

-- A claim reads only jobs that have something to start, most urgent first.
CREATE INDEX ix_crawl_jobs_claimable ON crawl_jobs (priority DESC, id)
    WHERE gate = 'open' AND deleted_at IS NULL
        AND total_chunks > active_chunks + completed_chunks + failed_chunks;
CREATE INDEX ix_crawl_jobs_status ON crawl_jobs (status, id);
CREATE INDEX ix_crawl_jobs_unannounced ON crawl_jobs (id)
    WHERE status IN ('completed', 'failed') AND ended_at IS NULL AND deleted_at IS NULL;
CREATE INDEX ix_crawl_jobs_deadline ON crawl_jobs (deadline_at)
    WHERE deadline_at IS NOT NULL AND ended_at IS NULL AND deleted_at IS NULL;
CREATE INDEX ix_crawl_jobs_deleted ON crawl_jobs (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_crawl_jobs_priority_pending ON crawl_jobs (id) WHERE priority_from_image IS NOT NULL;

CREATE TABLE job_chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,      -- never given again: an old worker cannot hit a new chunk
    job_id INTEGER NOT NULL REFERENCES crawl_jobs (id) ON DELETE CASCADE,
    chunk_index INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    priority INTEGER NOT NULL DEFAULT 5,
    first_image INTEGER NOT NULL,
    last_image INTEGER NOT NULL,               -- inclusive
    image_range TEXT GENERATED ALWAYS AS
        ('{"start": ' || first_image || ', "end": ' || last_image || '}') VIRTUAL NOT NULL,
    error_message TEXT,
    retry_count INTEGER NOT NULL DEFAULT 0,
    task_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,        -- the fencing token: grows with each start, never goes back
    lease_expires_at INTEGER,
    timeout_at INTEGER,                        -- end of the attempt, however many heartbeats come
    progress TEXT,                             -- JSON, from the last heartbeat
    split_from INTEGER,                        -- no reference: the trace outlives the chunk
    retry_at INTEGER,                          -- when a failed chunk is put back by policy
    policy_retries INTEGER NOT NULL DEFAULT 0,
    expiry_count INTEGER NOT NULL DEFAULT 0,
    dispatched_at INTEGER,
    redispatch_at INTEGER,                     -- from here on anybody may start a dispatched chunk
    outcome TEXT,                              -- JSON, from the completion
    unpublished INTEGER NOT NULL DEFAULT 0,    -- 1: staged output waits for its final names
    last_move TEXT NOT NULL DEFAULT 'created',
    started_at INTEGER,
    finished_at INTEGER,

    CONSTRAINT ck_job_chunks_status_valid
        CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    CONSTRAINT ck_job_chunks_priority_range CHECK (priority >= 0 AND priority <= 10),
    CONSTRAINT ck_job_chunks_retry_count_positive CHECK (retry_count >= 0),
    CONSTRAINT ck_job_chunks_image_range_valid CHECK (first_image >= 0 AND first_image <= last_image),
    -- A lease exists exactly while a chunk is processing.
    CONSTRAINT ck_job_chunks_lease_fits_status
        CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL AND timeout_at IS NOT NULL)),
    CONSTRAINT ck_job_chunks_retry_at_fits_status CHECK (retry_at IS NULL OR status = 'failed'),
    CONSTRAINT ck_job_chunks_dispatch_fits_status CHECK (redispatch_at IS NULL OR status = 'pending'),
    CONSTRAINT ck_job_chunks_unpublished_fits_status CHECK (unpublished = 0 OR status = 'completed')
) STRICT;

-- Look-up by job, in the order of the images: image_range orders, chunk_index names.
CREATE UNIQUE INDEX ix_job_chunks_job_id ON job_chunks (job_id, first_image);
CREATE UNIQUE INDEX uq_job_chunks_job_id_chunk_index ON job_chunks (job_id, chunk_index);
-- Across jobs somebody only ever looks for what runs out or failed; the rest would make every write dearer.
CREATE INDEX ix_job_chunks_status ON job_chunks (status, lease_expires_at)
    WHERE status IN ('processing', 'failed');
CREATE INDEX ix_job_chunks_job_status ON job_chunks (job_id, status, first_image);
-- The queue. Within a job chunk_index is the order of creation, and only startable chunks are in it.
CREATE INDEX ix_job_chunks_priority_created ON job_chunks (job_id, priority DESC, chunk_index)
    WHERE status = 'pending' AND redispatch_at IS NULL;
CREATE INDEX ix_job_chunks_task_id ON job_chunks (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX ix_job_chunks_retry_at ON job_chunks (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX ix_job_chunks_redispatch_at ON job_chunks (redispatch_at) WHERE redispatch_at IS NOT NULL;
CREATE INDEX ix_job_chunks_unpublished ON job_chunks (job_id, first_image) WHERE unpublished = 1;

CREATE TABLE activity_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    job_id INTEGER NOT NULL,                   -- no reference: the trail outlives the job
    chunk_id INTEGER,
    from_status TEXT,
    to_status TEXT,
    attempt INTEGER,
    task_id TEXT,
    unfenced INTEGER NOT NULL DEFAULT 0,
    message TEXT
) STRICT;
CREATE INDEX ix_activity_log_job_id ON activity_log (job_id, id);
CREATE INDEX ix_activity_log_chunk_id ON activity_log (chunk_id, id) WHERE chunk_id IS NOT NULL;
